"""`tokentrail query` as a user types it."""

import json

import pytest
from ledger_log import block_of, completed, run_command

from tokentrail.compose.environ import worker_environ
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.named_queries import catalogue


@pytest.mark.engine
def test_a_question_is_answered_with_bound_parameters(filled_ledger: Settings) -> None:
    environ = worker_environ(filled_ledger)
    sql = "SELECT {name:String} AS said, sum(cost_usd) AS usd FROM calls WHERE user_id = {user:String}"
    asked = ("query", sql, "--param", "user=ann", "--param", "name=o'x")
    assert json.loads(run_command(environ, *asked, "--json").stdout) == [{"said": "o'x", "usd": "7.000000000"}]
    assert "o'x" in run_command(environ, *asked).stdout


@pytest.mark.engine
def test_an_answer_without_rows_is_told_in_a_sentence(filled_ledger: Settings) -> None:
    environ, sql = worker_environ(filled_ledger), "SELECT call_id FROM calls WHERE user_id = 'nobody'"
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
def test_what_a_reader_may_not_is_refused_in_a_sentence(filled_ledger: Settings, sql: str, told: str) -> None:
    answer = run_command(worker_environ(filled_ledger), "query", sql)
    assert answer.returncode == 1
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_absent_engine_is_told_in_a_sentence(environ: dict[str, str]) -> None:
    answer = run_command(environ, "query", "SELECT 1")
    assert answer.returncode == 1
    assert "cannot be reached" in answer.stderr


def test_queries_with_names_are_listed_and_shown(environ: dict[str, str]) -> None:
    listed = run_command(environ, "query", "list")
    assert "spend_by_department" in listed.stdout
    assert len(json.loads(run_command(environ, "query", "list", "--json").stdout)) == len(catalogue())
    shown = run_command(environ, "query", "show", "errors")
    assert "Reads calls." in shown.stdout
    assert "GROUP BY status" in shown.stdout
    assert json.loads(run_command(environ, "query", "show", "errors", "--json").stdout)["reads"] == ["calls"]


@pytest.mark.engine
def test_a_query_is_run_by_its_name(settings: Settings, environ: dict[str, str]) -> None:
    migrate(settings)
    LedgerTables(settings, "test").insert(block_of(0, [completed(0), completed(1, user_id='=HYPERLINK("x")\x1b[2J')]))
    asked = ("query", "run", "spend_by_user", "--param", "since=2h")
    assert [row["calls"] for row in json.loads(run_command(environ, *asked, "--json").stdout)] == [1, 1]
    assert "\x1b" not in run_command(environ, *asked).stdout
    assert "\"'=HYPERLINK(" in run_command(environ, *asked, "--csv").stdout
    assert "\"'=HYPERLINK(" in run_command(environ, "query", "SELECT user_id FROM calls", "--csv").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "spend_by_usr"), "did you mean spend_by_user"),
        (("show", "x"), "`tokentrail query list` names them"),
        (("run", "errors", "--param", "since=never"), "cannot be understood"),
        (("run", "errors", "--param", "since"), "no parameter"),
    ],
)
def test_what_no_query_can_answer_is_told_in_a_sentence(
    environ: dict[str, str], arguments: tuple[str, ...], told: str
) -> None:
    answer = run_command(environ, "query", *arguments)
    assert answer.returncode != 0
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
