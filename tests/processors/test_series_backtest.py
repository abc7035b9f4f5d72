"""A rule's baseline and condition over a series."""

import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.errors import RuleError
from tokentrail.processors.series import Point
from tokentrail.processors.series_backtest import Score, SeriesBacktest, SlidingWindow
from tokentrail.schemas.alerts import Severity
from tokentrail.schemas.rules import (
    Absence,
    BurnRate,
    Condition,
    Metric,
    NewEntity,
    RatioToBaseline,
    Rule,
    Threshold,
    ZScore,
)

START_S = 1_772_452_800
STEP_S = 300


def _rule(condition: Condition, metric: Metric = "tokens_per_call", window_s: int = STEP_S) -> Rule:
    return Rule(
        name="series", metric=metric, by=["service"], window_s=window_s, condition=condition, severity=Severity.HIGH,
        min_calls=50,
    )  # fmt: skip


def _run(rule: Rule, values: list[float]) -> tuple[list[Score], SeriesBacktest]:
    run = SeriesBacktest(rule, "a.csv")
    return [run.observe(Point(START_S + STEP_S * number, value)) for number, value in enumerate(values)], run


def test_a_spike_fires_with_its_score_and_is_resolved_afterwards() -> None:
    values = [10.0] * 40 + [50.0] * 3 + [10.0] * 10
    scores, run = _run(_rule(RatioToBaseline(factor=2)), values)
    assert [number for number, score in enumerate(scores) if score.anomalous] == [40, 41, 42]
    spike = scores[40]
    assert (spike.value, spike.baseline, spike.threshold, spike.score) == (50.0, 10.0, 20.0, 2.5)
    assert [(alert.state, alert.entity, alert.revision) for alert in run.alerts] == [
        ("firing", "a.csv", 1),
        ("resolved", "a.csv", 2),
    ]
    assert len({alert.alert_id for alert in run.alerts}) == 1
    assert scores[39].score == 0.5


def test_while_learning_nothing_fires_and_there_is_no_score() -> None:
    scores, run = _run(_rule(RatioToBaseline(factor=2)), [1.0, 1000.0])
    assert [(score.threshold, score.score, score.anomalous) for score in scores] == [(None, None, False)] * 2
    assert run.alerts == []


def test_the_baseline_does_not_learn_the_spike_while_it_fires() -> None:
    scores, _ = _run(_rule(RatioToBaseline(factor=2)), [10.0] * 60 + [50.0] * 8 + [10.0])
    assert scores[-1].baseline == 10.0
    assert all(score.baseline == 10.0 for score in scores[60:])


def test_below_a_z_score_the_score_is_beyond_one_too() -> None:
    values = [100.0 + number % 5 for number in range(60)] + [20.0]
    scores, run = _run(_rule(ZScore(z=4, direction="below")), values)
    assert scores[-1].anomalous
    assert scores[-1].score is not None
    assert scores[-1].score > 1
    assert scores[-2].score is not None
    assert scores[-2].score < 1
    assert [alert.state for alert in run.alerts] == ["firing"]


def test_amounts_add_up_over_a_window_and_levels_are_averaged() -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    sums, _ = _run(_rule(Threshold(above=5), "calls", 2 * STEP_S), values)
    assert [score.value for score in sums] == [1, 3, 5, 7]
    assert [score.anomalous for score in sums] == [False, False, False, True]
    means, _ = _run(_rule(Threshold(above=5), "tokens_per_call", 2 * STEP_S), values)
    assert [score.value for score in means] == [1, 1.5, 2.5, 3.5]


def test_a_burn_rate_looks_at_both_windows() -> None:
    condition = BurnRate(allowed=1, factor=2, long_window_s=4 * STEP_S)
    scores, _ = _run(_rule(condition), [0, 0, 0, 0, 9, 0, 3, 3, 3])
    assert [number for number, score in enumerate(scores) if score.anomalous] == [4, 6, 7, 8]


@pytest.mark.parametrize("condition", [Absence(after_s=60), NewEntity()])
def test_conditions_about_calls_are_refused(condition: Condition) -> None:
    with pytest.raises(RuleError, match="looks at calls and not at a value"):
        SeriesBacktest(_rule(condition), "a.csv")


@given(
    st.lists(st.tuples(st.integers(0, 30), st.floats(-1e6, 1e6)), max_size=80),
    st.integers(1, 100),
    st.sampled_from(["sum", "mean"]),
)
def test_a_sliding_window_holds_what_came_in_its_width(
    steps: list[tuple[int, float]], width_s: int, reduce: str
) -> None:
    adds_up = reduce == "sum"
    window = SlidingWindow(width_s, adds_up=adds_up)
    points: deque[tuple[int, float]] = deque()
    second = 0
    for step_s, value in steps:
        second += step_s
        points.append((second, value))
        held = [each for at, each in points if second - width_s < at <= second]
        expected = math.fsum(held) if adds_up else math.fsum(held) / len(held)
        assert window.add(second, value) == pytest.approx(expected, abs=1e-6)
