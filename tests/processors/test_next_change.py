"""Looking at a quiet entity only when time may change something gives what looking at it every second gives."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import USERS, many_calls, row

from tokentrail.processors.entities import Entity
from tokentrail.processors.observing import Observer
from tokentrail.processors.watching import PartitionWatch
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.rules import Absence, BurnRate, NewEntity, RatioToBaseline, Rule, Threshold
from tokentrail.schemas.slices import Slice

BEGIN = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
RULES = (
    many_calls(name="at_once", condition=Threshold(above=8), keep_firing_for_s=7),
    many_calls(name="after_a_while", condition=Threshold(above=5), for_s=13, keep_firing_for_s=0),
    many_calls(name="burning", metric="error_ratio", condition=BurnRate(allowed=0.1, factor=2, long_window_s=300)),
    many_calls(name="silent", condition=Absence(after_s=90), min_calls=1, learning_s=0, keep_firing_for_s=0),
    many_calls(name="unusual", condition=RatioToBaseline(factor=1.5), learning_s=0, keep_firing_for_s=30),
    many_calls(name="fresh", condition=NewEntity(), learning_s=10),
    many_calls(name="large", metric="largest_call_tokens", condition=Threshold(above=700), keep_firing_for_s=3),
)
STEPS = st.lists(
    st.tuples(st.integers(1, 150), st.sampled_from(["ann", "bob"]), st.integers(1, 9), st.integers(0, 9)),
    min_size=1,
    max_size=40,
)


def watch(rules: tuple[Rule, ...], steps: list[tuple[int, str, int, int]]) -> Iterator[Alert]:
    watched = PartitionWatch(rules, {})
    second = BEGIN
    for gap, who, calls, errors in steps:
        second += gap
        made = row(f"call-{second}", 100 * calls, calls=calls, errors=min(calls, errors))
        watched.apply(0, 1, second, USERS, [made], [Slice(second, 0, who, 0)])
        yield from watched.advance()
    watched.apply(0, 1, second + 7300, USERS, [], [])
    yield from watched.advance()


@pytest.mark.parametrize("examples", [40, pytest.param(500, marks=pytest.mark.soak)])
def test_alerts_are_those_of_a_look_every_second(examples: int) -> None:
    seldom = Observer.due

    def every_second(self: Observer, entity: Entity) -> int | None:
        return entity.last_tick + 1 if entity.tracks else seldom(self, entity)

    @settings(max_examples=examples, deadline=None)
    @given(STEPS)
    def check(steps: list[tuple[int, str, int, int]]) -> None:
        told = list(watch(RULES, steps))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Observer, "due", every_second)
            assert list(watch(RULES, steps)) == told

    check()


def test_an_alert_that_stays_open_costs_a_look_an_hour() -> None:
    ticks: list[int] = []
    observe = Observer.observe

    def counted(self: Observer, entity: Entity, *rest: object) -> object:
        ticks.append(1)
        return observe(self, entity, *rest)  # type: ignore[arg-type] # passed on as they are

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Observer, "observe", counted)
        open_for_ever = many_calls(condition=Threshold(above=1), keep_firing_for_s=86_400)
        list(watch((open_for_ever,), [(1, "ann", 5, 0)]))
    assert len(ticks) < 8
