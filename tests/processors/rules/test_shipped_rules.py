"""Each shipped rule on a small scenario: with the incident its alert is told, without it nothing fires.

The scenarios are files of `tokentrail rules test`. Series named "incident" are what is wrong; series named "otherwise"
are what happens in their place.
"""

from functools import cache
from pathlib import Path

import msgspec
import pytest

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.pricing import PriceBook
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.processors.rule_trials import Trial, load_rule_tests, run_trial
from tokentrail.processors.rules import load_rule_file
from tokentrail.schemas.rule_tests import RuleTest
from tokentrail.schemas.rules import RuleFile

CASES = Path(__file__).parent / "cases"
INCIDENT, OTHERWISE = "incident", "otherwise"


def _collect() -> list[tuple[RuleTest, RuleFile]]:
    found = []
    for path in sorted(CASES.glob("*.toml")):
        tests, rules = load_rule_tests(path)
        found += [(test, rules) for test in tests.test]
    return found


FOUND = _collect()
EACH = pytest.mark.parametrize(("test", "rules"), FOUND, ids=[test.name.replace(" ", "-") for test, _ in FOUND])


@cache
def _cost() -> CostMeter:
    return CostMeter(PriceBook(PublicPrices()))


def _run(test: RuleTest, rules: RuleFile, left_out: str) -> Trial:
    calls = [series for series in test.calls if series.name != left_out]
    assert len(calls) < len(test.calls) or left_out == OTHERWISE
    return run_trial(msgspec.structs.replace(test, calls=calls), rules, _cost())


@EACH
def test_an_incident_raises_its_alert_and_no_other(test: RuleTest, rules: RuleFile) -> None:
    trial = _run(test, rules, OTHERWISE)
    assert trial.missing == []
    assert trial.unexpected == []


@EACH
def test_nothing_fires_where_nothing_is_wrong(test: RuleTest, rules: RuleFile) -> None:
    has_incident = any(series.name == INCIDENT for series in test.calls)
    calls = [series for series in test.calls if series.name != INCIDENT]
    assert has_incident or any(series.name == OTHERWISE for series in calls)
    trial = run_trial(msgspec.structs.replace(test, calls=calls, expect=[]), rules, _cost())
    assert trial.unexpected == []


def test_every_shipped_rule_has_a_scenario() -> None:
    tried = {expected.rule for test, _ in FOUND for expected in test.expect}
    assert {rule.name for rule in load_rule_file().rule} <= tried
