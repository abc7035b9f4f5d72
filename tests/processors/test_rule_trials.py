from pathlib import Path

import pytest

from tokentrail.errors import RuleError
from tokentrail.processors.rule_trials import Trial, load_rule_tests, run_trial

RULES = """
[[rule]]
name = "many_calls"
metric = "calls"
by = ["user_id", ["user_id", "service"]]
window_s = 60
condition = { type = "threshold", above = 3 }
severity = "WARNING"
"""
TEST = """
rules = "rules.toml"
[[test]]
name = "four calls"
[[test.calls]]
to = "1m"
per_minute = 4
fields = { user_id = "anna", service = "checkout" }
"""
EXPECTED = """
[[test.expect]]
rule = "many_calls"
entity = "anna"
after = "45s"
before = "50s"
[[test.expect]]
rule = "many_calls"
entity = "anna / checkout"
[[test.expect]]
rule = "many_calls"
dimension = "user_id"
state = "resolved"
"""


def _run(path: Path, text: str) -> Trial:
    (path / "rules.toml").write_text(RULES)
    (path / "test.toml").write_text(text)
    tests, rules = load_rule_tests(path / "test.toml")
    return run_trial(tests.test[0], rules)


def test_a_test_passes_if_all_that_it_expects_is_told_and_nothing_else_fires(tmp_path: Path) -> None:
    assert _run(tmp_path, TEST + EXPECTED).passed


def test_what_is_not_told_in_time_is_missing(tmp_path: Path) -> None:
    trial = _run(tmp_path, TEST + EXPECTED.replace('"45s"', '"47s"').replace('"50s"', '"59s"'))
    assert [expected.entity for expected in trial.missing] == ["anna"]
    assert not trial.passed


def test_an_alert_that_nobody_expects_is_named(tmp_path: Path) -> None:
    trial = _run(tmp_path, TEST)
    assert sorted(alert.dimension for alert in trial.unexpected) == ["user_id", "user_id+service"]
    assert not trial.passed


def test_one_alert_does_not_stand_for_two(tmp_path: Path) -> None:
    twice = TEST + EXPECTED + '[[test.expect]]\nrule = "many_calls"\nentity = "anna"\n'
    assert len(_run(tmp_path, twice).missing) == 1


def test_a_rule_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="few_calls"):
        _run(tmp_path, (TEST + EXPECTED).replace('rule = "many_calls"', 'rule = "few_calls"'))


@pytest.mark.parametrize(
    ("old", "new"), [('to = "1m"', 'to = "soon"'), ("per_minute", "per_second"), ("[[test]]", "[test]"), ("=", ":")]
)
def test_a_file_that_is_none_of_tests_is_refused_by_name(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(RuleError, match=r"test\.toml"):
        _run(tmp_path, TEST.replace(old, new))
