from typing import get_args

import pytest

from tokentrail.processors.metric_phrases import PHRASES, format_value
from tokentrail.processors.rule_checks import RATIOS
from tokentrail.processors.rule_explanation import describe_condition, explain_rule, format_span
from tokentrail.processors.rules import load_rule_file, parse_rules
from tokentrail.schemas.rules import LevelMetric, Metric, RatioMetric, Rule, SumMetric

BURNING = "> 14 x 1 %, also over 1 hour"
RULES = {rule.name: rule for rule in load_rule_file().rule}


def _rule(condition: str, metric: str = "calls", more: str = "") -> Rule:
    (rule,) = parse_rules(
        f'[[rule]]\nname = "one"\nmetric = "{metric}"\nby = ["service"]\nwindow_s = 300\nseverity = "HIGH"\n'
        f"condition = {{ {condition} }}\n{more}",
        "x.toml",
    )
    return rule


def _told(rule: Rule) -> dict[str, str]:
    return dict(explain_rule(rule))


def test_every_metric_is_put_into_words() -> None:
    metrics = {name for group in (SumMetric, RatioMetric, LevelMetric) for name in get_args(group)}
    assert set(PHRASES) == metrics
    assert metrics > RATIOS


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_shipped_rule_is_explained_with_an_example_of_its_alert(name: str) -> None:
    told = _told(RULES[name])
    assert told["measures"].startswith(PHRASES[RULES[name].metric])
    assert told["example"].startswith(RULES[name].severity.value)
    assert "{" not in told["example"]


def test_what_a_rule_learns_is_told_with_its_times() -> None:
    told = _told(RULES["high_request_volume"])
    assert told["on whom"] == "each user_id, each api_key_id, on its own"
    assert "more than 3 times what is usual" in told["fires when"]
    assert "5 standard deviations" in told["fires when"]
    assert "60 calls" in told["fires when"]
    assert "48 windows of 5 minutes" in told["learns"]
    assert "hour of the week" in told["learns"]


def test_a_rule_without_a_past_learns_nothing() -> None:
    assert _told(RULES["failure_ratio"])["learns"].startswith("nothing")


def test_filters_are_told() -> None:
    rule = _rule('type = "threshold", above = 3', more='where = { status = ["TIMEOUT", "ABORTED"] }')
    assert "only calls whose status is TIMEOUT or ABORTED" in _told(rule)["on whom"]


@pytest.mark.parametrize(
    ("condition", "metric", "said"),
    [
        ('type = "threshold", above = 0.25, baseline = 0.05', "error_ratio", "> 25 % (usual: 5 %)"),
        ('type = "ratio_to_baseline", factor = 3', "calls", "> 3 x usual"),
        ('type = "z_score", z = 4, direction = "below"', "calls", "with z < -4"),
        ('type = "seasonal", factor = 2', "calls", "> 2 x usual of the hour"),
        ('type = "burn_rate", allowed = 0.01, factor = 14, long_window_s = 3600', "error_ratio", BURNING),
        ('type = "budget", limits_usd = { "*" = 5 }, at = 0.8', "cost_usd", "spent > 80% of budget"),
    ],
)
def test_a_condition_is_said_in_a_few_words(condition: str, metric: str, said: str) -> None:
    assert describe_condition(_rule(condition, metric)) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(90, "90 s"), (60, "1 minute"), (7200, "2 hours"), (86_400, "1 day"), (0, "0 s")]
)
def test_a_span_is_said_as_people_say_it(seconds: int, said: str) -> None:
    assert format_span(seconds) == said


@pytest.mark.parametrize(
    ("metric", "value", "said"),
    [("error_ratio", 0.125, "12.5 %"), ("cost_usd", 1234.5, "1,234.50 USD"), ("latency_p95_ms", 1500, "1,500 ms")],
)
def test_a_value_has_its_unit(metric: Metric, value: float, said: str) -> None:
    assert format_value(metric, value) == said
