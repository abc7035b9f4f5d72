from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.baselines import Baseline
from tokentrail.processors.detection import MonthSpend, Verdict, judge, judge_absence, needs_baseline
from tokentrail.schemas.rules import Rule

NOW = 1_767_571_200  # 2026-01-05 00:00 UTC
NANO = 1_000_000_000


def _rule(condition: dict[str, Any], **fields: Any) -> Rule:
    content = {"name": "rule", "metric": "calls", "by": ["user_id"], "window_s": 300, "severity": "HIGH"}
    return msgspec.convert({**content, "learning_s": 0, **fields, "condition": condition}, Rule)


def _baseline(*samples: float, window_s: int = 300) -> Baseline:
    baseline = Baseline()
    for number, sample in enumerate(samples):
        baseline.observe(NOW - (len(samples) - number) * window_s, sample, window_s, firing=False)
    return baseline


def _judge(rule: Rule, value: float, baseline: Baseline | None = None, calls: int = 1000, **more: Any) -> Verdict:
    return judge(rule, value, calls, NOW, baseline, more.pop("known_since", 0), **more)


def _fires(value: float, baseline: float | None, threshold: float) -> Verdict:
    return Verdict(anomalous=True, value=value, baseline=baseline, threshold=threshold)


STEADY = _baseline(*[20.0] * 10)


def test_a_threshold_fires_above_it_and_not_at_it() -> None:
    rule = _rule({"type": "threshold", "above": 100})
    assert not _judge(rule, 100).anomalous
    assert _judge(rule, 101) == _fires(101, None, 100)


def test_a_threshold_gives_an_entity_that_is_usually_higher_as_much_more_room() -> None:
    rule = _rule({"type": "threshold", "above": 0.25, "baseline": 0.05}, metric="error_ratio")
    usually_failing = _baseline(*[0.125] * 10)
    assert _judge(rule, 0.3).anomalous
    assert not _judge(rule, 0.3, usually_failing).anomalous
    verdict = _judge(rule, 0.33, usually_failing)
    assert verdict.anomalous
    assert verdict.threshold == pytest.approx(0.25 + 0.075)
    assert verdict.baseline == 0.125


def test_a_ratio_fires_above_its_multiple_of_the_baseline() -> None:
    rule = _rule({"type": "ratio_to_baseline", "factor": 3})
    assert not _judge(rule, 60, STEADY).anomalous
    assert _judge(rule, 61, STEADY) == _fires(61, 20, 60)


@pytest.mark.parametrize(
    "condition",
    [{"type": "ratio_to_baseline", "factor": 3}, {"type": "z_score", "z": 3}, {"type": "seasonal", "factor": 2}],
)
@given(st.floats(0, 1e12), st.integers(0, 10**9))
def test_what_needs_a_baseline_never_fires_while_it_is_learnt(
    condition: dict[str, Any], value: float, calls: int
) -> None:
    rule = _rule(condition, learning_s=86_400)
    for baseline in (None, Baseline(), STEADY):
        verdict = _judge(rule, value, baseline, calls)
        assert verdict.learning
        assert not verdict.anomalous


@given(
    st.sampled_from(
        [
            {"type": "threshold", "above": 0},
            {"type": "ratio_to_baseline", "factor": 1.5},
            {"type": "z_score", "z": 0.1},
            {"type": "burn_rate", "allowed": 0.001, "factor": 1, "long_window_s": 600},
            {"type": "new_entity"},
        ]
    ),
    st.integers(0, 10**6),
    st.floats(0, 1e9),
)
def test_no_trifle_ever_fires(condition: dict[str, Any], calls: int, value: float) -> None:
    rule = _rule(condition, min_calls=50, min_value=70)
    verdict = _judge(rule, value, STEADY, calls, known_since=NOW, long_value=1e12)
    if calls < 50 or value < 70:
        assert not verdict.anomalous


def test_with_z_a_ratio_wants_more_of_those_who_vary_much() -> None:
    rule = _rule({"type": "ratio_to_baseline", "factor": 3, "z": 6}, metric="tokens")
    varied = _baseline(*[10.0, 20.0, 20.0, 20.0, 60.0, 90.0] * 4)
    assert _judge(rule, 61, STEADY).anomalous
    verdict = _judge(rule, 100, varied)
    assert not verdict.anomalous
    assert verdict.threshold > 300


def test_a_sparse_entity_is_held_against_the_floor() -> None:
    rule = _rule({"type": "ratio_to_baseline", "factor": 3}, baseline_floor=50)
    sparse = _baseline(1.0, 2.0, 1.0)
    assert not _judge(rule, 150, sparse).anomalous
    assert _judge(rule, 151, sparse) == _fires(151, 50, 150)


def test_a_count_varies_by_chance_even_if_it_never_did() -> None:
    rule = _rule({"type": "z_score", "z": 3})
    hundred = _baseline(*[100.0] * 20)
    assert not _judge(rule, 130, hundred).anomalous  # a Poisson count of 100 has a deviation of 10
    assert _judge(rule, 131, hundred).anomalous


def test_z_score_below_fires_when_much_less_is_used_than_usual() -> None:
    rule = _rule({"type": "z_score", "z": 4, "direction": "below"}, min_value=50)
    busy = _baseline(90.0, 100.0, 110.0, 100.0, 95.0, 105.0)
    verdict = _judge(rule, 10, busy, calls=10)
    assert verdict.anomalous
    assert verdict.baseline == 100
    assert verdict.threshold == pytest.approx(60, abs=1)
    assert not _judge(rule, 90, busy, calls=90).anomalous
    assert not _judge(rule, 0, _baseline(*[40.0] * 9), calls=0).anomalous  # 40 a window is a trifle to this rule


def test_a_burn_rate_wants_both_windows() -> None:
    rule = _rule(
        {"type": "burn_rate", "allowed": 0.01, "factor": 14.4, "long_window_s": 3600},
        metric="error_ratio",
        window_s=300,
    )
    assert _judge(rule, 0.2, long_value=0.15) == _fires(0.2, 0.01, 0.01 * 14.4)
    assert not _judge(rule, 0.2, long_value=0.1).anomalous
    assert not _judge(rule, 0.1, long_value=0.2).anomalous
    assert not _judge(rule, 0.2).anomalous


def test_the_long_window_of_an_amount_may_hold_proportionally_more() -> None:
    rule = _rule(
        {"type": "burn_rate", "allowed": 10, "factor": 2, "long_window_s": 3600}, metric="cost_usd", window_s=300
    )
    assert not _judge(rule, 21, long_value=240).anomalous
    assert _judge(rule, 21, long_value=241).anomalous


def test_a_new_entity_is_one_whose_first_call_is_in_the_window() -> None:
    rule = _rule({"type": "new_entity"}, min_calls=3)
    assert _judge(rule, 3, calls=3, known_since=NOW - 299).anomalous
    assert not _judge(rule, 3, calls=3, known_since=NOW - 300).anomalous
    assert not _judge(rule, 2, calls=2, known_since=NOW).anomalous


def test_no_entity_is_new_to_a_detection_that_is_new_itself() -> None:
    verdict = _judge(_rule({"type": "new_entity"}), 5, known_since=-1)
    assert verdict.learning
    assert not verdict.anomalous


def test_absence_is_for_those_who_are_expected() -> None:
    rule = _rule({"type": "absence", "after_s": 600}, min_calls=10)
    assert judge_absence(rule, 601, 30) == _fires(601, 30, 600)
    assert not judge_absence(rule, 600, 30).anomalous
    assert not judge_absence(rule, 10_000, 9).anomalous
    learning = judge_absence(rule, 10_000, None)
    assert learning.learning
    assert not learning.anomalous


def _spent(usd: float, second: int = NOW) -> MonthSpend:
    month = MonthSpend()
    month.add(second, int(usd * NANO))
    return month


def test_a_budget_is_the_entitys_own_or_that_of_all_others() -> None:
    rule = _rule(
        {"type": "budget", "limits_usd": {"risk": 100, "*": 10, "risk / gpt-5": 50}, "at": 0.8},
        metric="cost_usd",
        by=["department"],
    )
    assert _judge(rule, 0, month=_spent(81), entity="risk") == _fires(81, 100, 80)
    assert not _judge(rule, 0, month=_spent(80), entity="risk").anomalous
    assert _judge(rule, 0, month=_spent(9), entity="sales").anomalous
    assert _judge(rule, 0, month=_spent(41), entity="risk\x1fgpt-5").baseline == 50


def test_an_entity_without_a_limit_is_not_judged() -> None:
    rule = _rule({"type": "budget", "limits_usd": {"risk": 100}}, metric="cost_usd", by=["department"])
    assert not _judge(rule, 1e9, month=_spent(1e6), entity="sales").anomalous


def test_a_forecast_adds_the_pace_kept_up_to_the_end_of_the_month() -> None:
    rule = _rule({"type": "budget", "limits_usd": {"*": 1000}, "forecast": True}, metric="cost_usd", window_s=86_400)
    # January 5th, 0:00: 27 days are left.
    assert _judge(rule, 30, month=_spent(150), entity="a").value == pytest.approx(150 + 27 * 30, abs=0.01)
    assert not _judge(rule, 30, month=_spent(150), entity="a").anomalous
    assert _judge(rule, 32, month=_spent(150), entity="a").anomalous


def _second(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]  # year to second, as given


def test_a_month_begins_at_nothing() -> None:
    month = _spent(40, _second(2026, 12, 31, 23, 59, 59))
    assert month.usd_at(_second(2026, 12, 31, 23, 59, 59)) == 40
    assert month.usd_at(_second(2027, 1, 1)) == 0  # nobody has spent yet
    month.add(_second(2027, 1, 1), 3 * NANO)
    assert month.usd_at(_second(2027, 1, 31, 23, 59, 59)) == 3
    assert month.usd_at(_second(2027, 2, 1)) == 0


@given(st.lists(st.tuples(st.integers(0, 4_000_000_000), st.integers(0, 10**12)), max_size=30))
def test_what_was_spent_in_a_month_is_the_sum_of_its_seconds(spending: list[tuple[int, int]]) -> None:
    month = MonthSpend()
    sums: dict[tuple[int, int], int] = {}
    for second, nano_usd in sorted(spending):
        month.add(second, nano_usd)
        at = datetime.fromtimestamp(second, UTC)
        sums[at.year, at.month] = sums.get((at.year, at.month), 0) + nano_usd
        assert month.usd_at(second) == sums[at.year, at.month] / NANO
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(month), type=MonthSpend) == month


@pytest.mark.parametrize(
    ("condition", "needed"),
    [
        ({"type": "threshold", "above": 1}, False),
        ({"type": "threshold", "above": 1, "baseline": 0.5}, True),
        ({"type": "ratio_to_baseline", "factor": 2}, True),
        ({"type": "z_score", "z": 2}, True),
        ({"type": "seasonal", "factor": 2}, True),
        ({"type": "absence", "after_s": 60}, True),
        ({"type": "new_entity"}, False),
        ({"type": "budget", "limits_usd": {"*": 1}}, False),
    ],
)
def test_a_baseline_is_kept_only_where_it_is_looked_at(condition: dict[str, Any], *, needed: bool) -> None:
    assert needs_baseline(_rule(condition)) is needed
