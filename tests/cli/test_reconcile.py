"""`tokentrail reconcile` as a user types it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ledger_log import block_of, completed, run_command

from tokentrail.schemas.events import Usage
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate

NOW = datetime.now(UTC)
TODAY, YESTERDAY = NOW.date().isoformat(), (NOW - timedelta(days=1)).date().isoformat()
HEADER = "start_time_iso,num_model_requests,model,input_tokens,output_tokens,input_cached_tokens\n"


@pytest.mark.engine
def test_a_ledger_is_compared_with_an_invoice(settings: Settings, environ: dict[str, str], tmp_path: Path) -> None:
    calls: list[bytes | None] = [
        completed(0, occurred_at=NOW, response_model="gpt-4o-2024-08-06"),
        completed(1, occurred_at=NOW, response_model="gpt-4o-2024-08-06"),
        completed(2, occurred_at=NOW - timedelta(days=1), usage=Usage(input_tokens=70, output_tokens=7)),
        completed(3, occurred_at=NOW, provider="anthropic", request_model="claude-sonnet-4-5"),
        completed(4, status="RATE_LIMITED", usage=None),
        completed(5, occurred_at=NOW, provider="anthropic", request_model="claude-sonnet-4-5", usage=None),
    ]
    migrate(settings)
    LedgerTables(settings, "test").insert(block_of(0, calls))
    invoice = tmp_path / "usage.csv"
    told = f"{YESTERDAY}T00:00:00+00:00,1,gpt-4o,70,7,0\n"
    invoice.write_text(HEADER + told + f"{TODAY}T00:00:00+00:00,2,gpt-4o-2024-08-06,2000,200,0\n")

    same = run_command(environ, "reconcile", str(invoice))
    assert (same.returncode, same.stdout) == (0, "Reconciled: 2 matched.\n")
    assert "gpt-4o-2024-08-06" in run_command(environ, "reconcile", str(invoice), "--all").stdout

    invoice.write_text(HEADER + told + f"{TODAY}T00:00:00+00:00,2,gpt-4o-2024-08-06,2100,200,0\n{TODAY},1,o3,5,5,0\n")
    other = run_command(environ, "reconcile", str(invoice))
    assert (other.returncode, "NOT reconciled: 1 matched, 1 missing here, 1 tokens differ" in other.stdout) == (1, True)
    loose = run_command(environ, "reconcile", str(invoice), "--tolerance-percent", "5", "--until", TODAY, "--json")
    document = json.loads(loose.stdout)
    assert (loose.returncode, document["counts"]["matched"], document["since"]) == (0, 1, YESTERDAY)
    everything = run_command(environ, "reconcile", str(invoice), "--provider", "openai", "--provider", "anthropic")
    assert "missing there" in everything.stdout
    end = (NOW + timedelta(days=1)).date().isoformat()
    command = f"tokentrail prices missing --since {YESTERDAY} --until {end} --provider openai --provider anthropic"
    assert everything.stdout.endswith(f"1 unpriced call is in no sum: `{command}` says why.\n")
    missing = json.loads(run_command(environ, *command.split()[1:], "--json").stdout)
    assert (missing["unpriced_calls"], missing["failed_without_tokens"]) == (1, 1)

    costs, columns = tmp_path / "costs.csv", tmp_path / "map.toml"
    costs.write_text(f"day,usd\n{YESTERDAY},0.000245\n{TODAY},0.02\n")
    columns.write_text('date = "day"\ncost = "usd"\n')
    generic = ("reconcile", str(costs), "--format", "generic", "--map", str(columns))
    priced = json.loads(run_command(environ, *generic, "--tolerance-usd", "0", "--json").stdout)
    assert [one["verdict"] for one in priced["comparisons"]] == ["matched", "cost_differs"]
    assert [one["here"]["cost_usd"] for one in priced["comparisons"]] == ["0.000245000", "0.011500000"]
    assert (priced["here"]["cost_usd"], priced["there"]["cost_usd"]) == ("0.011745000", "0.020245")


def test_mistakes_in_what_is_asked_are_told_in_a_sentence(environ: dict[str, str], tmp_path: Path) -> None:
    invoice = tmp_path / "x.csv"
    invoice.write_text("a,b\n1,2\n")
    for arguments, told in (
        ((str(invoice),), "no export that is known"),
        ((str(tmp_path / "absent.csv"),), "cannot be read"),
        ((str(invoice), "--format", "generic"), "go together"),
        ((str(invoice), "--tolerance-usd", "x"), "no amount"),
    ):
        answer = run_command(environ, "reconcile", *arguments)
        assert answer.returncode != 0
        assert told in answer.stderr
