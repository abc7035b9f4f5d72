from pathlib import Path

import pytest

from tokentrail.errors import RuleError
from tokentrail.processors.groupings import collect_groupings
from tokentrail.processors.rules import load_rules, parse_rules, version_rule

RULE = """
[[rule]]
name = "many_calls"
metric = "calls"
by = ["user_id", ["department", "request_model"]]
window_s = 60
condition = { type = "threshold", above = 100 }
severity = "WARNING"
"""


def test_the_shipped_rules_are_those_that_name_the_product() -> None:
    assert [rule.name for rule in load_rules()] == ["high_error_rate", "high_request_volume", "token_spike"]


def test_a_rule_names_single_and_combined_entities() -> None:
    assert collect_groupings(parse_rules(RULE, "x.toml")) == ("department+request_model", "user_id")


def test_a_disabled_rule_is_left_out() -> None:
    assert parse_rules(RULE + "enabled = false\n", "x.toml") == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('"calls"', '"colour"'), "metric"),
        (("window_s = 60", "window_s = 61"), "window_s"),
        (("window_s = 60", "windows = 60"), "windows"),
        (('["user_id"', '["users"'), "by"),
        (("above = 100", "above = -1"), "above"),
        (('severity = "WARNING"', 'severity = "LOUD"'), "severity"),
        (("[[rule]]", "[[rule]"), "not valid TOML"),
        (('severity = "WARNING"', 'severity = "INFO"\nsummary = "{colour}"'), "summary"),
        (('metric = "calls"', ""), "metric"),
    ],
)
def test_a_mistake_is_named_with_file_and_field(change: tuple[str, str], named: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rules(RULE.replace(*change), "x.toml")
    assert "x.toml" in str(caught.value)
    assert named in str(caught.value)


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(RuleError, match="twice"):
        parse_rules(RULE + RULE, "x.toml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"absent\.toml"):
        load_rules(tmp_path / "absent.toml")


def test_any_change_makes_a_new_version() -> None:
    (before,) = parse_rules(RULE, "x.toml")
    (after,) = parse_rules(RULE.replace("100", "101"), "x.toml")
    assert version_rule(before) == version_rule(before)
    assert version_rule(before) != version_rule(after)
