from pathlib import Path

import pytest

from tokentrail.errors import RuleError
from tokentrail.processors.rules import check_rules, load_rule_file, load_rules, parse_rules, summarize, version_rule
from tokentrail.schemas.rules import Rule

RULE = """
[[rule]]
name = "many_calls"
metric = "calls"
by = ["user_id", ["department", "request_model"]]
window_s = 60
condition = { type = "threshold", above = 100 }
severity = "WARNING"
"""
BURN_RATE = 'type = "burn_rate", factor = 2'
MAINTENANCE = """
[[maintenance]]
name = "deployment"
days = ["tue"]
from = "02:00"
to = "04:00"
"""


def _only_mistake(text: str) -> tuple[int, str, str]:
    _, (mistake,) = check_rules(text, "x.toml")
    return mistake.line, mistake.field, mistake.message


def _changed(old: str, new: str, text: str = RULE) -> str:
    assert old in text
    return text.replace(old, new)


def test_a_disabled_rule_is_left_out_of_what_runs_and_stays_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULE + "enabled = false\n" + RULE.replace("many_calls", "other") + MAINTENANCE)
    assert [rule.name for rule in load_rules(path)] == ["other"]
    found = load_rule_file(path)
    assert [rule.name for rule in found.rule] == ["many_calls", "other"]
    assert [window.name for window in found.maintenance] == ["deployment"]


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "says"),
    [
        ('"many_calls"', '"Many Calls"', 3, "name", "underscores"),
        ('"calls"', '"colour"', 4, "metric", "context_growth_tokens"),
        ('"calls"', '"cals"', 4, "metric", "did you mean calls"),
        ("window_s = 60", "window_s = 61", 6, "window_s", "multiple of 5"),
        ("window_s = 60", "windows = 60", 6, "windows", "window_s"),
        ('["user_id"', '["users"', 5, "by", "user_id"),
        ("above = 100", "above = -1", 7, "condition.above", ">= 0"),
        ("above = 100", "abve = 100", 7, "condition.abve", "known are type, above, baseline"),
        ('type = "threshold"', 'type = "z-score"', 7, "condition.type", "z_score"),
        ('severity = "WARNING"', 'severity = "LOUD"', 8, "severity", "CRITICAL"),
        ('severity = "WARNING"', 'severity = "INFO"\nsummary = "{colour}"', 9, "summary", "known names are dimension"),
        ('metric = "calls"\n', "", 2, "", "`metric` is missing"),
        ("[[rule]]", "[[rule]", 2, "", "not valid TOML"),
        ("[[rule]]", "[rule]", 1, "rule", "two brackets"),
        ("[[rule]]", "[[rules]]", 2, "rules", "known are [[rule]] and [[maintenance]]"),
        ('severity = "WARNING"', 'severity = "INFO"\nwhere = { colour = "red" }', 9, "where", "request_model"),
        ('severity = "WARNING"', 'severity = "INFO"\nwhere.service = []', 9, "where.service", "fits no call"),
    ],
)
def test_a_mistake_is_told_with_line_and_field_and_what_would_be_right(
    old: str, new: str, line: int, field: str, says: str
) -> None:
    found = _only_mistake(_changed(old, new))
    assert found[:2] == (line, field)
    assert says in found[2]


@pytest.mark.parametrize(
    ("metric", "by", "window_s", "condition", "field"),
    [
        ("error_ratio", "request_model", 60, 'type = "ratio_to_baseline", factor = 3', "condition.type"),
        ("retry_ratio", "request_model", 60, 'type = "seasonal", factor = 3', "condition.type"),
        ("error_ratio", "request_model", 60, 'type = "threshold", above = 1', "condition.above"),
        ("error_ratio", "request_model", 60, 'type = "threshold", above = 0.1, baseline = 0.2', "condition.baseline"),
        ("calls", "department", 60, 'type = "budget", limits_usd = { "*" = 5 }', "metric"),
        ("calls", "service", 60, 'type = "absence", after_s = 60', "min_calls"),
        ("calls", "service", 60, f"{BURN_RATE}, allowed = 9, long_window_s = 60", "condition.long_window_s"),
        ("error_ratio", "service", 60, f"{BURN_RATE}, allowed = 0.5, long_window_s = 600", "condition.factor"),
        ("latency_p95_ms", "service", 60, f"{BURN_RATE}, allowed = 9, long_window_s = 600", "metric"),
        ("lost_calls", "service", 60, 'type = "threshold", above = 0', "by"),
        ("lost_calls", "producer_id", 60, 'type = "z_score", z = 3', "condition.type"),
        ("context_growth_tokens", "user_id", 60, 'type = "threshold", above = 9', "by"),
        ("new_users", "user_id", 60, 'type = "threshold", above = 9', "by"),
        ("distinct_users", "user_id", 60, 'type = "threshold", above = 9', "by"),
        ("latency_p50_ms", "user_id", 60, 'type = "new_entity"', "metric"),
        ("clock_skewed", "request_hash", 60, 'type = "threshold", above = 9', "by"),
    ],
)  # fmt: skip
def test_a_combination_that_means_nothing_is_refused(
    metric: str, by: str, window_s: int, condition: str, field: str
) -> None:
    text = (
        f'[[rule]]\nname = "odd"\nmetric = "{metric}"\nby = ["{by}"]\nwindow_s = {window_s}\n'
        f'severity = "INFO"\ncondition = {{ {condition} }}\n'
    )
    assert _only_mistake(text)[1] == field


def test_all_mistakes_are_found_at_once_in_the_order_of_their_lines() -> None:
    text = RULE + _changed("100", "-100") + _changed('"calls"', '"colour"') + _changed("02:00", "2 am", MAINTENANCE)
    _, mistakes = check_rules(text, "x.toml")
    assert [(mistake.line, mistake.field) for mistake in mistakes] == [
        (15, "condition.above"),
        (20, "metric"),
        (29, "from"),
    ]


def test_all_mistakes_of_one_rule_are_found_at_once() -> None:
    text = """
[[rule]]
name = "odd"
metric = "tokns"
by = ["departmnt"]
window_s = 7
sumary = "x"
condition = { type = "threshold", abve = 3, baseline = "high" }

[[rule]]
name = "empty"
condition = { above = 3 }
"""
    _, mistakes = check_rules(text, "x.toml")
    assert [(mistake.line, mistake.field, mistake.message.partition(";")[0]) for mistake in mistakes] == [
        (2, "", "the field `severity` is missing"),
        (4, "metric", "'tokns' is not known"),
        (5, "by", "'departmnt' is not known"),
        (6, "window_s", "expected `int` that's a multiple of 5"),
        (7, "sumary", "there is no such field"),
        (8, "condition.abve", "there is no such field"),
        (8, "condition.baseline", "expected `float | null`, got `str`"),
        *((10, "", f"the field `{name}` is missing") for name in ("metric", "by", "window_s", "severity")),
        (12, "condition", mistakes[-1].message),
    ]
    assert mistakes[-1].message.startswith("the field `type` is missing: one of threshold")


def test_the_second_rule_of_a_name_is_refused() -> None:
    line, field, message = _only_mistake(RULE + RULE)
    assert (line, field) == (11, "name")
    assert "twice" in message


def test_the_error_that_is_raised_reads_like_a_compilers() -> None:
    with pytest.raises(RuleError, match=r"^x\.toml:4: rule 'many_calls', metric: 'colour' is not known; known are "):
        parse_rules(_changed('"calls"', '"colour"'), "x.toml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"absent\.toml"):
        load_rules(tmp_path / "absent.toml")


def test_a_file_without_rules_is_refused() -> None:
    assert "takes the place" in _only_mistake(MAINTENANCE)[2]


def _rule(text: str = RULE) -> Rule:
    (rule,) = parse_rules(text, "x.toml")
    return rule


@pytest.mark.parametrize(
    ("old", "new"), [("100", "101"), ('"WARNING"', '"INFO"'), ('by = ["user_id", ', "by = ["), ("60", "65")]
)
def test_any_change_makes_a_new_version(old: str, new: str) -> None:
    assert version_rule(_rule()) != version_rule(_rule(_changed(old, new)))


def test_saying_what_is_the_default_makes_no_new_version() -> None:
    spelled_out = RULE + "for_s = 0\nwhere = {}\nlearning_s = 900\n"
    assert version_rule(_rule(spelled_out)) == version_rule(_rule())


def test_the_version_of_a_rule_never_changes_by_itself() -> None:
    assert version_rule(_rule()) == "82481f876aee"


def test_a_summary_names_a_combined_entity_with_slashes() -> None:
    said = summarize(_rule(), "department+request_model", "risk\x1fgpt-5", 120, None)
    assert said == "department+request_model risk / gpt-5: calls is 120 over 60 s"
