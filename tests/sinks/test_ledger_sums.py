"""Whatever happens to writer, engine and prices: every sum of money is that of the raw log, to the last digit."""

from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from ledger_log import rows
from ledger_story import TABLES, Reprice, Story, Write
from rollup_sums import DIMENSIONS, ROLLUPS, assert_rollups_equal_calls

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.migrations import migrate

ALL = frozenset(TABLES)
WRITES = st.builds(
    Write,
    st.lists(st.integers(0, 40), min_size=1, max_size=6).map(tuple),
    st.one_of(st.just(ALL), st.sets(st.sampled_from(TABLES)).map(frozenset)),
    st.integers(0, 8),
)
REPRICES = st.builds(Reprice, st.sampled_from(("old", "new")), st.sampled_from((None, "gpt-4o", "gpt-unheard")))
_partitions = count()


def assert_sums(settings: Settings, story: Story, partition: int) -> None:
    wanted = story.sum_of_the_log()
    ours = f"WHERE kafka_partition = {partition}"
    cost = "sum(toDecimal128(ifNull(cost_usd, 0), 9))"
    assert rows(settings, f"SELECT {cost} FROM calls_corrected {ours}") == [(wanted,)]  # noqa: S608  # numbers and names of ours
    for rollup in ROLLUPS:
        for dimension in DIMENSIONS[rollup][::4]:
            by = f"SELECT {cost} AS part FROM {rollup} {ours} GROUP BY {dimension}"  # noqa: S608  # names of ours
            assert rows(settings, f"SELECT sum(part) FROM ({by})") == [(wanted,)]  # noqa: S608  # names of ours


@pytest.mark.engine
def test_a_story_of_crashes_late_calls_and_corrections_adds_up(settings: Settings) -> None:
    migrate(settings)
    story = Story(settings, 0)
    for event in (
        Write((0, 1, 2, 2, 30), ALL),
        Write((3, 4, 5), frozenset(("event_log", "calls_hour")), redelivered=4),
        Reprice("new"),
        Write((6, 6, 1), frozenset(("calls", "calls_minute", "calls_day"))),
    ):
        story.play(event)
    assert_sums(settings, story, 0)
    assert_rollups_equal_calls(settings)


@pytest.mark.engine
@pytest.mark.soak
@examples(
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events=st.lists(st.one_of(WRITES, WRITES, REPRICES), min_size=1, max_size=5))
def test_any_story_adds_up(settings: Settings, events: list[Write | Reprice]) -> None:
    migrate(settings)
    # A database is slow to make: each story has a Kafka partition of its own.
    partition = next(_partitions)
    story = Story(settings, partition)
    for event in events:
        story.play(event)
    assert_sums(settings, story, partition)
