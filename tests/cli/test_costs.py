"""`tokentrail costs` as a user types it."""

import json
from datetime import UTC, datetime

import pytest
from ledger_log import block_of, completed, run_command

from tokentrail.compose.environ import worker_environ
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate


@pytest.mark.engine
def test_costs_are_shown_as_a_table_and_exactly_as_json(settings: Settings, environ: dict[str, str]) -> None:
    migrate(settings)
    calls: list[bytes | None] = [completed(0), completed(1, request_model="unheard-of", user_id="ann")]
    LedgerTables(settings, "test").insert(block_of(0, calls))
    table = run_command(environ, "costs")
    assert table.returncode == 0
    assert "0.003500" in table.stdout
    assert "unknown" in table.stdout
    told = run_command(environ, "costs", "--by", "model,day", "--where", "user=", "--json")
    assert json.loads(told.stdout) == [
        {
            "model": "gpt-4o", "day": datetime.now(UTC).date().isoformat(), "calls": 1, "errors": 0,
            "input_tokens": 1000, "output_tokens": 100, "cost_usd": "0.003500000", "unpriced_calls": 0,
        }
    ]  # fmt: skip


@pytest.mark.engine
def test_no_calls_are_said_to_be_none(filled_ledger: Settings) -> None:
    nobodys = run_command(worker_environ(filled_ledger), "costs", "--since", "90m", "--where", "user=nobody")
    assert nobodys.stdout == "No such calls since 90m. Ask further back, for instance with --since 24h.\n"


def test_mistakes_are_told_in_a_sentence(environ: dict[str, str]) -> None:
    for arguments, told in (
        (("--by", "planet"), "choose from"),
        (("--where", "x"), "no filter"),
        (("--since", "x"), "no time"),
        (("--since", "1h", "--until", "2h"), "is not after"),
        (("--split", "--charged"), "exclude each other"),
    ):
        answer = run_command(environ, "costs", *arguments)
        assert answer.returncode != 0
        assert told in answer.stderr
        assert "Traceback" not in answer.stderr
