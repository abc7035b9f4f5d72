"""Two sets of alerts over one stretch of the log, compared."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.alert_difference import (
    Episode,
    Watched,
    collect_episodes,
    compare,
    count_kinds,
    fired_within,
    measure_noise,
)
from tokentrail.schemas.alerts import Alert, AlertState, Severity

START = datetime(2026, 3, 2, tzinfo=UTC)


def _at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def _episode(begin: float, end: float | None, rule: str = "r", entity: str = "e", version: str = "a") -> Episode:
    return Episode(
        alert_id=f"{rule}/{entity}/{begin}/{version}",
        rule=rule,
        severity=Severity.HIGH if rule == "r" else Severity.WARNING,
        dimension="user_id",
        entity=entity,
        begin=_at(begin),
        end=None if end is None else _at(end),
        value=1.0,
        summary="",
    )


def _state(state: AlertState, revision: int, second: int, value: float) -> Alert:
    return Alert(
        alert_id="1",
        revision=revision,
        state=state,
        rule="r",
        rule_version="v",
        severity=Severity.HIGH,
        dimension="user_id",
        entity="e",
        metric="calls",
        value=value,
        baseline=None,
        threshold=1.0,
        window_s=60,
        started_at=_at(10),
        occurred_at=_at(second),
        evidence=[],
        summary=f"revision {revision}",
        recommendation="",
        action_required=False,
    )


def test_state_changes_in_any_order_are_one_alert_from_firing_to_resolved() -> None:
    states = [
        _state(AlertState.RESOLVED, 3, 90, 0.0),
        _state(AlertState.FIRING, 1, 10, 2.0),
        _state(AlertState.UPDATED, 2, 40, 9.0),
    ]
    (episode,) = collect_episodes(states)
    assert (episode.begin, episode.end, episode.value, episode.summary) == (_at(10), _at(90), 9.0, "revision 1")
    (still_open,) = collect_episodes(states[1:])
    assert still_open.end is None


@pytest.mark.parametrize(
    ("before", "after", "kinds", "shift_s"),
    [
        (_episode(10, 50), _episode(10, 99), ["unchanged"], 0),
        (_episode(10, 50), _episode(5, 20), ["earlier"], -5),
        (_episode(10, 50), _episode(50, 80), ["later"], 40),
        (_episode(10, None), _episode(5000, 6000), ["later"], 4990),
        (_episode(10, 50), _episode(51, 80), ["gone", "new"], 0),
        (_episode(60, 80), _episode(10, 50), ["new", "gone"], 0),
        (_episode(10, 50), _episode(10, 50, entity="other"), ["gone", "new"], 0),
        (_episode(10, 50), _episode(10, 50, rule="other"), ["new", "gone"], 0),
    ],
)
def test_alerts_of_one_rule_and_entity_that_overlap_are_the_same_alert(
    before: Episode, after: Episode, kinds: list[str], shift_s: float
) -> None:
    changes = compare([before], [after])
    assert sorted(change.kind for change in changes) == sorted(kinds)
    assert changes[0].shift_s == shift_s


def test_an_alert_that_was_split_is_matched_once() -> None:
    changes = compare([_episode(10, 100)], [_episode(10, 30), _episode(60, 100)])
    assert [change.kind for change in changes] == ["unchanged", "new"]


def test_what_fired_outside_on_both_sides_is_left_out_and_an_alert_that_goes_on_is_no_new_one() -> None:
    before = [_episode(10, 500), _episode(10, 50, entity="early")]
    after = [_episode(200, 500), _episode(10, 50, entity="early")]
    (change,) = compare(before, after, _at(100), _at(1000))
    assert (change.kind, change.shift_s) == ("later", 190)


_episodes = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 60), st.sampled_from("rs"), st.sampled_from("ef")), max_size=25
)


def _spread(drawn: list[tuple[int, int, str, str]], version: str) -> list[Episode]:
    """Episodes that do not overlap within one rule and entity."""
    free: dict[tuple[str, str], int] = {}
    found = []
    for begin, length, rule, entity in sorted(drawn):
        start = max(begin, free.get((rule, entity), 0))
        free[rule, entity] = start + length + 1
        found.append(_episode(start, start + length, rule, entity, version))
    return found


@given(_episodes, _episodes)
def test_what_is_told_now_is_what_was_told_without_what_is_gone_and_with_what_is_new(
    old: list[tuple[int, int, str, str]], new: list[tuple[int, int, str, str]]
) -> None:
    before, after = _spread(old, "old"), _spread(new, "new")
    changes = compare(before, after)
    counts = count_kinds(changes)
    assert len(after) == len(before) - counts["gone"] + counts["new"]
    assert sorted(c.before.alert_id for c in changes if c.before) == sorted(e.alert_id for e in before)
    assert sorted(c.after.alert_id for c in changes if c.after) == sorted(e.alert_id for e in after)
    mirrored = count_kinds(compare(after, before))
    assert (mirrored["new"], mirrored["gone"]) == (counts["gone"], counts["new"])
    assert (mirrored["earlier"], mirrored["later"]) == (counts["later"], counts["earlier"])


@given(_episodes)
def test_a_set_of_alerts_beside_itself_is_unchanged(drawn: list[tuple[int, int, str, str]]) -> None:
    episodes = _spread(drawn, "")
    assert {change.kind for change in compare(episodes, episodes)} <= {"unchanged"}


def test_noise_is_alerts_a_day_and_a_week_of_one_entity_by_rule_and_severity() -> None:
    before = [_episode(1, 2, "r"), _episode(5, 6, "r"), _episode(1, 2, "s")]
    views = {"r": frozenset({"user_id", "api_key_id"}), "s": frozenset({"user_id"})}
    old = Watched(views=views, entities={"user_id": 4, "api_key_id": 6})
    new = Watched(views=views, entities={"user_id": 4})
    noise = measure_noise(before, before[:1], timedelta(days=14), (old, new))
    assert noise.total.before.alerts == 3
    assert noise.total.before.per_day == pytest.approx(3 / 14)
    assert noise.total.before.per_entity_week == pytest.approx(3 / (10 * 2))
    rows = {row.name: row for row in (*noise.by_rule, *noise.by_severity)}
    assert rows["r"].before.per_entity_week == pytest.approx(2 / (10 * 2))
    assert rows["s"].before.per_entity_week == pytest.approx(1 / (4 * 2))
    assert rows["WARNING"].before.per_entity_week == pytest.approx(1 / (4 * 2))
    assert rows["r"].after.per_entity_week is None, "how many keys there were is not known"
    assert rows["s"].after.alerts == 0


def test_only_alerts_that_fired_within_bounds_are_noise() -> None:
    episodes = [_episode(9, 20), _episode(10, 20), _episode(20, None)]
    assert fired_within(episodes, _at(10), _at(20)) == [episodes[1]]
