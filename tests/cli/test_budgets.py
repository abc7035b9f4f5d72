"""`tokentrail budgets` and split costs as a user types them."""

import json
from pathlib import Path

import pytest
from known_ledger import NOW
from ledger_log import run_command

from tokentrail.compose.environ import worker_environ
from tokentrail.settings import Settings

FILE = """
[[budget]]
name = "Research"
where = { department = "research" }
usd_per_month = 20
recipients = ["ann@example.com"]
[[budget]]
name = "Marketing [red]"
where = { department = "marketing" }
mapped = true
usd_per_month = 1000
[[split]]
name = "research for all"
of = { department = "research" }
shares = { sales = 1, care = 1, it = 1 }
"""


@pytest.mark.engine
def test_budgets_are_shown_and_checked_and_shared_cost_is_split(filled_ledger: Settings, tmp_path: Path) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text(FILE)
    environ = {**worker_environ(filled_ledger), "TOKENTRAIL_BUDGETS": str(file)}
    shown = json.loads(run_command(environ, "budgets", "show", "--at", NOW.isoformat(), "--json").stdout)
    assert [(each["name"], each["spent_usd"], each["remaining_usd"], each["state"]) for each in shown] == [
        ("Research", "20.200000000", "-0.200000000", "over"),
        ("Marketing [red]", "3.500000000", "996.500000000", "ok"),
    ]
    assert "Marketing [red]" in run_command(environ, "budgets", "show").stdout
    checked = run_command(environ, "budgets", "check", "--at", NOW.isoformat())
    assert checked.returncode == 1
    assert "Research: over. It has spent 20.20 of 20.00 USD (101%)" in checked.stdout
    assert "Tell ann@example.com." in checked.stdout
    assert "Marketing" not in checked.stdout
    split = json.loads(run_command(environ, "costs", "--by", "department", "--split", "--json").stdout)
    assert {row["department"]: row["cost_usd"] for row in split} == {
        "research": "0.000000000", "sales": "13.733333333", "care": "6.733333334", "it": "6.733333333",
    }  # fmt: skip
    assert "handed on USD" in run_command(environ, "costs", "--by", "department", "--split").stdout
    refused = run_command(environ, "costs", "--by", "model", "--split")
    assert (refused.returncode, "ask --by that" in refused.stderr) == (1, True)


def test_rules_of_budgets_are_shown_and_what_they_cannot_watch_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text(FILE)
    told = run_command(environ, "budgets", "rules", "--file", str(file)).stdout
    assert "budget_department_forecast" in told
    assert "Marketing [red]: not watched live" in told
    names = [
        rule["name"]
        for rule in json.loads(run_command(environ, "budgets", "rules", "--file", str(file), "--json").stdout)
    ]
    assert names == ["budget_department_100", "budget_department_80", "budget_department_forecast"]


def test_a_time_beyond_the_engines_days_is_told_in_a_sentence(environ: dict[str, str]) -> None:
    answer = run_command(environ, "budgets", "show", "--at", "0001-01-01")
    assert (answer.returncode, "1971 to 2105" in answer.stderr) == (2, True)


def test_without_budgets_the_setting_is_named(environ: dict[str, str]) -> None:
    assert "[[budget]] tables in the setting `budgets`" in run_command(environ, "budgets", "show").stdout
    assert run_command(environ, "budgets", "check").returncode == 0
