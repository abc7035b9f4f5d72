from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_rows import many_calls

from tokentrail.processors.detection import Verdict
from tokentrail.processors.lifecycle import WORSE_BY, AlertTrack, identify_alert
from tokentrail.schemas.alerts import Alert, AlertState, Severity
from tokentrail.schemas.rules import Rule


def _rule(for_s: int = 0, keep_firing_for_s: int = 10) -> Rule:
    return many_calls(for_s=for_s, keep_firing_for_s=keep_firing_for_s)


def _verdict(value: float) -> Verdict:
    return Verdict(value > 10, value, None, 10.0)


def _alert(revision: int, value: float) -> Alert:
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    return Alert(
        alert_id="a",
        revision=revision,
        state=AlertState.FIRING,
        rule="many_calls",
        rule_version="v",
        severity=Severity.HIGH,
        dimension="user_id",
        entity="ann",
        metric="calls",
        value=value,
        baseline=None,
        threshold=10.0,
        window_s=60,
        started_at=moment,
        occurred_at=moment,
        evidence=[],
        summary="",
        recommendation="",
        action_required=True,
    )


def _live(rule: Rule, values: Sequence[float]) -> list[tuple[int, AlertState, int]]:
    """The state changes of one entity: (second, state, revision)."""
    track = AlertTrack()
    told = []
    for second, value in enumerate(values):
        change = track.step(rule, second, _verdict(value))
        if change is not None:
            track.told = _alert(track.revision + 1, value)
            told.append((second, change, track.revision))
            if change is AlertState.RESOLVED:
                track.reset()
    return told


def test_it_fires_at_once_and_resolves_after_a_calm_while() -> None:
    assert _live(_rule(), [0, 11] + [0] * 12) == [(1, AlertState.FIRING, 1), (12, AlertState.RESOLVED, 2)]


def test_it_waits_until_the_condition_has_lasted() -> None:
    assert _live(_rule(for_s=3), [11, 11, 0, 11, 11, 11, 11]) == [(6, AlertState.FIRING, 1)]


def test_a_short_calm_does_not_resolve_it() -> None:
    assert _live(_rule(), [11] + [0] * 9 + [11] + [0] * 9) == [(0, AlertState.FIRING, 1)]


def test_it_is_told_again_when_it_has_grown_much_worse() -> None:
    assert _live(_rule(), [12, 13, 12 * WORSE_BY, 19]) == [(0, AlertState.FIRING, 1), (2, AlertState.UPDATED, 2)]


@given(st.lists(st.floats(0, 100), max_size=200), st.integers(0, 5), st.integers(0, 20))
def test_any_history_is_a_sequence_of_whole_lives(values: list[float], for_s: int, keep_s: int) -> None:
    revision = 0
    for _, state, told_revision in _live(_rule(for_s, keep_s), values):
        assert (state is AlertState.FIRING) == (revision == 0)
        assert told_revision == revision + 1
        revision = 0 if state is AlertState.RESOLVED else told_revision


def test_the_id_is_a_function_of_what_makes_the_alert() -> None:
    first = identify_alert("rule", "v1", "user_id", "ann", 100)
    assert first == identify_alert("rule", "v1", "user_id", "ann", 100)
    others = [("rule2", "v1", "user_id", "ann", 100), ("rule", "v2", "user_id", "ann", 100)]
    others += [("rule", "v1", "user_id", "bob", 100), ("rule", "v1", "user_id", "ann", 101)]
    assert first not in {identify_alert(*other) for other in others}


@pytest.mark.parametrize(
    ("threshold", "values", "told"),
    [
        (10.0, [0.0, 0.0, 0.0], [(0, AlertState.FIRING)]),
        (10.0, [8.0, 9.0, 6.0, 5.0, 9.9], [(0, AlertState.FIRING), (3, AlertState.UPDATED)]),
        (-1.0, [0.0, 0.0, 1.0], [(0, AlertState.FIRING), (2, AlertState.UPDATED)]),
    ],
)
def test_worse_is_lower_where_it_fires_below_and_nothing_is_no_worse_than_nothing(
    threshold: float, values: list[float], told: list[tuple[int, AlertState]]
) -> None:
    track = AlertTrack()
    found = []
    for second, value in enumerate(values):
        change = track.step(_rule(), second, Verdict(anomalous=True, value=value, baseline=None, threshold=threshold))
        if change is not None:
            track.told = _alert(track.revision + 1, value)
            found.append((second, change))
    assert found == told
