"""`tokentrail report` as a user types it."""

import csv
import json
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from known_ledger import AT, NOW
from ledger_log import run_command

from tokentrail.compose.environ import worker_environ
from tokentrail.settings import Settings

BUDGETS = """
[[budget]]
name = "Research"
where = { department = "research" }
usd_per_month = 20
recipients = ["ann@example.com"]
[[split]]
name = "search for all"
of = { department = "research" }
shares = { sales = 1, care = 1, it = 1 }
"""
PRICES = """
version = "1"
[[markup]]
percent = 10
"""


@pytest.mark.engine
def test_reports_tell_what_the_ledger_knows(filled_ledger: Settings, tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(BUDGETS)
    (tmp_path / "p.toml").write_text(PRICES)
    files = {"TOKENTRAIL_BUDGETS": str(tmp_path / "b.toml"), "TOKENTRAIL_PRICES": str(tmp_path / "p.toml")}
    environ = {**worker_environ(filled_ledger), **files}
    now = ("--at", NOW.isoformat())

    def figures(*arguments: str) -> dict[str, tuple[object, object]]:
        told = json.loads(run_command(environ, "report", *arguments, "--json").stdout)
        return {each["name"]: (each["value"], each["before"]) for each in told["figures"]}

    stats = figures("stats", "--minutes", "60", *now)
    assert (stats["calls"], stats["failures"], stats["cost USD"]) == ((11, 0), (2, 0), ("27.200000000", None))
    assert (stats["users"], stats["auth failures"]) == ((4, 0), (1, 0))
    hourly = figures("security", "--hourly", *now)
    assert (hourly["calls"], hourly["alerts"], hourly["open alerts"]) == ((11, 0), (2, 0), (1, None))
    page = tmp_path / "security.html"
    assert run_command(environ, "report", "security", "--hourly", *now, "--out", str(page)).returncode == 0
    assert "token_spike fired once." in page.read_text(encoding="utf-8")
    rows = list(csv.reader(StringIO(run_command(environ, "report", "costs", *now, "--format", "csv").stdout)))
    (advice,) = [row[-1] for row in rows if row[:2] == ["recommendations", "WARNING"] and "missing" in row[-1]]
    assert advice.startswith("1 unpriced call is in no sum: ")
    missing = json.loads(run_command(environ, *advice.split("`")[1].split()[1:], "--json").stdout)
    assert (missing["unpriced_calls"], missing["failed_without_tokens"]) == (1, 2)
    heads, *departments = [row[1:] for row in rows if row[0] == "By department"]
    told = {row[0]: dict(zip(heads, row, strict=True)) for row in departments}
    assert {name: row["cost USD"] for name, row in told.items()} == {
        "research": "0.000000000", "sales": "13.733333333", "care": "6.733333334", "it": "6.733333333",
    }  # fmt: skip
    assert Decimal(told["sales"]["charged USD"]) == Decimal("7.7")
    assert told["research"]["budget USD"] == "20"
    table = run_command(environ, "report", "costs", "--month", f"{AT:%Y-%m}", "--mapped", *now).stdout
    assert "marketing" in table
    assert "budget Research: over" in table


@pytest.mark.engine
def test_reports_of_a_time_without_calls_are_told_as_well(filled_ledger: Settings) -> None:
    environ = worker_environ(filled_ledger)
    for arguments, nothing in ((("security",), "No key was refused."), (("costs",), "No calls.")):
        told = run_command(environ, "report", *arguments, "--at", "2020-02-29")
        assert (told.returncode, nothing in told.stdout) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("costs", "--month", "november"), "no month"),
        (("costs", "--month", "0001-01"), "1971 to 2105"),
        (("costs", "--at", "9999-12-31T23:59"), "1971 to 2105"),
        (("security", "--hourly", "--daily"), "exclude each other"),
        (("stats", "--minutes", "0"), "minutes"),
        (("stats", "--format", "pdf"), "pdf"),
    ],
)
def test_mistakes_are_told_in_a_sentence(environ: dict[str, str], arguments: tuple[str, ...], told: str) -> None:
    answer = run_command(environ, "report", *arguments)
    assert answer.returncode != 0
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
