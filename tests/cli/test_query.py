"""`tokentrail query` as a user types it."""

import json

import pytest
from ledger_log import block_of, completed, run_command

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate


@pytest.mark.engine
def test_a_question_is_answered_with_bound_parameters(settings: Settings, environ: dict[str, str]) -> None:
    migrate(settings)
    LedgerTables(settings, "test").insert(block_of(0, [completed(0), completed(1, user_id="o'x")]))
    sql = "SELECT call_id, cost_usd FROM calls WHERE user_id = {user:String}"
    answer = run_command(environ, "query", sql, "--param", "user=o'x", "--json")
    assert json.loads(answer.stdout) == [{"call_id": "call-1", "cost_usd": "0.003500000"}]
    assert "call-1" in run_command(environ, "query", sql, "--param", "user=o'x").stdout


@pytest.mark.engine
def test_an_answer_without_rows_is_told_in_a_sentence(settings: Settings, environ: dict[str, str]) -> None:
    migrate(settings)
    sql = "SELECT call_id FROM calls"
    assert run_command(environ, "query", sql).stdout == "No rows.\n"
    assert json.loads(run_command(environ, "query", sql, "--json").stdout) == []


@pytest.mark.engine
@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("INSERT INTO calls (call_id) VALUES ('x')", "readonly"),
        ("SELECT * FROM file('/etc/passwd', 'LineAsString')", "refused"),
        ("SELEC 1", "Syntax error"),
        ("SELECT 1 FROM nowhere", "nowhere"),
    ],
)
def test_what_a_reader_may_not_is_refused_in_a_sentence(
    settings: Settings, environ: dict[str, str], sql: str, told: str
) -> None:
    migrate(settings)
    answer = run_command(environ, "query", sql)
    assert answer.returncode == 1
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_absent_engine_is_told_in_a_sentence(environ: dict[str, str]) -> None:
    answer = run_command(environ, "query", "SELECT 1")
    assert answer.returncode == 1
    assert "cannot be reached" in answer.stderr
