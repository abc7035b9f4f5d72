"""What a budget file may say, and the rules that follow from it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tokentrail.errors import AttributionError
from tokentrail.processors.budget_file import load_budget_file, parse_budgets
from tokentrail.processors.budget_rules import budget_rules, load_active_rules
from tokentrail.processors.budget_status import budget_status
from tokentrail.processors.detection import MonthSpend, judge
from tokentrail.processors.rule_checks import check_rule
from tokentrail.processors.rule_reload import RuleFileWatch
from tokentrail.schemas.budgets import SpendBudget
from tokentrail.schemas.rules import Budget

FILE = """
[[budget]]
name = "Research"
where = { department = "research" }
usd_per_month = 1000.10
months = { "2026-12" = 2000 }
recipients = ["ann@example.com", "#research"]

[[budget]]
name = "Sales"
where = { department = "sales" }
usd_per_month = 50
thresholds = [0.5, 1.0]
burn_rate = false

[[budget]]
name = "Tests of the chat"
where = { environment = "test", service = "chat" }
usd_per_month = 5

[[budget]]
name = "Centre 4711"
where = { cost_centre = "4711" }
mapped = true
usd_per_month = 7

[[split]]
name = "platform"
of = { department = "platform" }
shares = { research = 50, sales = 30.5 }
"""
NOW = datetime(2026, 11, 16, tzinfo=UTC)


def test_money_is_read_exactly_and_a_month_may_have_a_limit_of_its_own() -> None:
    found = parse_budgets(FILE, "b.toml")
    assert found.budget[0].usd_per_month == Decimal("1000.10")
    assert [found.budget[0].limit_of(month) for month in ("2026-11", "2026-12")] == [Decimal("1000.10"), 2000]
    assert found.split[0].shares == {"research": 50, "sales": Decimal("30.5")}


def test_budgets_become_rules_that_detection_takes_one_for_each_threshold() -> None:
    made = budget_rules(parse_budgets(FILE, "b.toml").budget)
    assert [rule.name for rule in made] == [
        "budget_department_100", "budget_department_50", "budget_department_80", "budget_department_forecast",
        "budget_environment_and_service_100", "budget_environment_and_service_80",
        "budget_environment_and_service_forecast",
    ]  # fmt: skip
    assert all(not list(check_rule(rule)) for rule in made)
    full = made[0].condition
    assert isinstance(full, Budget)
    assert (full.limits_usd, full.at) == ({"research": 1000.1, "sales": 50.0}, 1.0)
    assert full.limits_of_months_usd == {"2026-12": {"research": 2000.0}}
    assert "Tell research: ann@example.com, #research." in made[0].recommendation
    assert "sales" not in made[2].condition.limits_usd  # type: ignore[union-attr]  # a budget's
    assert made[4].by == [["environment", "service"]]
    assert made[4].condition.limits_usd == {"test / chat": 5.0}  # type: ignore[union-attr]  # a budget's


@pytest.mark.parametrize(("month", "fires"), [(11, True), (12, False)])
def test_detection_takes_the_limit_of_the_month(month: int, fires: bool) -> None:  # noqa: FBT001 - a case's outcome
    rule = budget_rules(parse_budgets(FILE, "b.toml").budget)[0]
    second = int(datetime(2026, month, 10, tzinfo=UTC).timestamp())
    spent = MonthSpend()
    spent.add(second, 1_500_000_000_000)
    assert judge(rule, 0.0, 0, second, None, -1, month=spent, entity="research").anomalous is fires


def test_rules_in_force_are_those_of_the_file_and_of_the_budgets_and_both_are_watched(tmp_path: Path) -> None:
    budgets = tmp_path / "b.toml"
    budgets.write_text(FILE)
    watch = RuleFileWatch(None, budgets)
    names = {rule.name for rule in watch.rules}
    assert {"budget_department_80", "token_spike"} <= names
    assert watch.changed() is None
    budgets.write_text("[[budget]]\nname = 'x'\n")
    assert watch.changed() is None
    budgets.write_text("")
    assert {rule.name for rule in watch.changed() or ()} == {n for n in names if not n.startswith("budget_")}


def test_a_rule_that_stands_in_both_files_is_refused(tmp_path: Path) -> None:
    budgets, rules = tmp_path / "b.toml", tmp_path / "r.toml"
    budgets.write_text(FILE)
    rules.write_text(
        '[[rule]]\nname = "budget_department_80"\nmetric = "calls"\nby = ["service"]\nwindow_s = 60\n'
        'condition = { type = "threshold", above = 1 }\nseverity = "INFO"\n'
    )
    with pytest.raises(AttributionError, match="budget_department_80 stands in the rule file"):
        load_active_rules(rules, budgets)


def test_a_budget_stands_at_what_its_month_has_cost() -> None:
    budget = SpendBudget(name="b", where={"department": "x"}, usd_per_month=Decimal(100), recipients=["ann@x"])
    daily = {date(2026, 10, 20) + timedelta(days=n): Decimal(6) for n in range(27)}
    told = budget_status(budget, daily, 3, NOW)
    assert (told.month, told.used) == ("2026-11", Decimal("0.9"))
    assert (told.spent_usd, told.remaining_usd) == (Decimal(90), Decimal(10))
    assert (told.reached, told.burning, told.state) == ((Decimal("0.8"),), True, "will be over")
    assert told.forecast.expected_usd == 180
    assert msgspec.structs.replace(told, spent_usd=Decimal(101)).state == "over"
    quiet = msgspec.structs.replace(budget, burn_rate=False, thresholds=[Decimal("0.95")])
    assert budget_status(quiet, daily, 0, NOW).state == "ok"
    assert budget_status(msgspec.structs.replace(budget, burn_rate=False), daily, 0, NOW).state == "80% reached"


BUDGET = '[[budget]]\nname = "b"\nusd_per_month = 1\n'
SPLIT = '[[split]]\nname = "s"\nof = { team = "x" }\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x", "b.toml is not valid TOML"),
        ("[[budgets]]", "unknown field `budgets`"),
        (BUDGET + "where = { planet = 'x' }", "planet"),
        (BUDGET + "where = {}", r"length >= 1 - at `\$.budget\[0\].where`"),
        (BUDGET.replace("1", "0") + "where = { team = 'x' }", "usd_per_month is 0; it must be above 0"),
        (BUDGET + "where = { team = 'x' }\nmonths = { november = 1 }", "matching regex"),
        (BUDGET + "where = { cost_centre = 'x' }", "write mapped = true"),
        (BUDGET + "where = { team = '*' }", "give each team a budget of its own"),
        (BUDGET + "where = { team = 'x' }\nthresholds = [1, 1.0]", "a threshold stands there twice"),
        (BUDGET + "where = { team = 'x' }\nthresholds = [80, 100]", "threshold 80 is 8000% of the limit; 80% is 0.8"),
        (2 * (BUDGET + "where = { team = 'x' }\n"), "budget 'b' stands there twice"),
        (BUDGET + "where = { team = 'x' }\n" + BUDGET.replace('b"', 'c"') + "where = { team = 'x' }", "same calls"),
        (SPLIT, "either shares or in_proportion_to"),
        (SPLIT + "shares = { a = 1 }\nin_proportion_to = 'cost'", "either shares or in_proportion_to"),
        (SPLIT + "shares = { a = 0 }", "all shares are 0"),
        (SPLIT + "shares = { x = 1 }", "a part of itself"),
        (SPLIT + "shares = { a = -1 }", "must be 0 or above"),
        (SPLIT + "shares = { a = 1 }\namong = ['a']", "goes with in_proportion_to"),
    ],
)
def test_what_means_nothing_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(AttributionError, match=told):
        parse_budgets(text, "b.toml")


def test_a_file_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(AttributionError, match="Check the setting `budgets`"):
        load_budget_file(tmp_path / "b.toml")
    assert load_budget_file(None).budget == []
