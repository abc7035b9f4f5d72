"""Ordinary traffic: the same for the same seed, in the rhythm of offices, and within ordinary bounds."""

import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from statistics import fmean, median
from typing import cast

import pytest
from traffic_survey import START

from tokentrail.processors.simulation.arrivals import MAX_DELAY_S
from tokentrail.processors.simulation.events import CallEvent  # noqa: TC001 - casts read better with the name
from tokentrail.processors.simulation.schedule import INCIDENTS, all_kinds
from tokentrail.processors.simulation.simulation import Simulation
from tokentrail.processors.slicing import EventBatch
from tokentrail.schemas.events import CallCompleted, CallStarted

FRIDAY = datetime(2026, 3, 6, tzinfo=UTC)


def ordinary(seed: int = 4, days: float = 2, calls_per_day: float = 4_000, batch_s: float = 300.0) -> Simulation:
    """Two days, Friday and Saturday, on which nothing happens."""
    return Simulation(seed, start=FRIDAY, days=days, calls_per_day=calls_per_day, kinds=(), batch_s=batch_s)


@pytest.fixture(scope="module")
def batches() -> list[EventBatch]:
    return list(ordinary().batches())


@pytest.fixture(scope="module")
def calls(batches: list[EventBatch]) -> list[CallCompleted]:
    return [event for batch in batches for event in batch.events if isinstance(event, CallCompleted)]


def in_order(batches: Iterable[EventBatch]) -> dict[int, list[tuple[int, object]]]:
    """Each partition's records: when they were appended, and what they are."""
    log: defaultdict[int, list[tuple[int, object]]] = defaultdict(list)
    for batch in batches:
        log[batch.partition].extend(zip(batch.timestamps_ms, batch.events, strict=True))
    return log


def test_the_seed_decides_all(batches: list[EventBatch]) -> None:
    again = ordinary()
    assert list(islice(again.batches(), 200)) == batches[:200]
    assert list(islice(again.batches(), 200)) == batches[:200]
    assert list(islice(ordinary(seed=5).batches(), 20)) != batches[:20]


def test_the_seed_decides_the_labels() -> None:
    assert Simulation(1, start=START, days=28).labels() == planned(1).labels()
    assert planned(2).incidents != planned(1).incidents


def test_how_batches_are_cut_changes_no_partition(batches: list[EventBatch]) -> None:
    assert in_order(ordinary(batch_s=17.0).batches()) == in_order(batches)


@cache
def planned(seed: int) -> Simulation:
    return Simulation(seed, start=START, days=28)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_month_has_each_incident_twice_or_more(seed: int) -> None:
    simulation = planned(seed)
    kinds = Counter(incident.kind for incident in simulation.incidents)
    assert set(kinds) == set(all_kinds())
    assert all(kinds[kind] >= 2 for kind in INCIDENTS)
    assert all(
        START + timedelta(days=3) <= incident.start < incident.end <= START + timedelta(days=28)
        for incident in simulation.incidents
        if not incident.harmless
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_two_incidents_of_a_department_overlap(seed: int) -> None:
    taken: defaultdict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for incident in planned(seed).incidents:
        if not incident.harmless:
            for department in incident.entities["department"]:
                taken[department].append((incident.start, incident.end))
    for spans in taken.values():
        spans.sort()
        assert all(end < start for (_, end), (start, _) in pairwise(spans))


def test_only_the_kinds_asked_for_are_there() -> None:
    kinds = {
        incident.kind for incident in Simulation(3, start=START, days=2, kinds=["key_leak", "long_chat"]).incidents
    }
    assert kinds == {"key_leak", "long_chat"}
    assert not ordinary().incidents
    with pytest.raises(ValueError, match="no_such_kind"):
        Simulation(3, start=START, kinds=["no_such_kind"])


def test_partitions_grow_without_holes_and_never_back_in_time(batches: list[EventBatch]) -> None:
    ends: Counter[int] = Counter()
    last: Counter[int] = Counter()
    for batch in batches:
        assert batch.offsets == range(ends[batch.partition], ends[batch.partition] + len(batch.events))
        assert list(batch.timestamps_ms) == sorted(batch.timestamps_ms)
        assert batch.timestamps_ms[0] >= last[batch.partition]
        ends[batch.partition], last[batch.partition] = batch.offsets.stop, batch.timestamps_ms[-1]
    assert set(ends) == set(range(4))
    assert min(ends.values()) > 0.1 * sum(ends.values())


def test_events_come_soon_after_they_happen_and_a_little_out_of_order(batches: list[EventBatch]) -> None:
    newest: dict[int, float] = {}
    delays, overtaken = [], []
    for batch in batches:
        for timestamp_ms, event in zip(batch.timestamps_ms, cast("list[CallEvent]", batch.events), strict=True):
            happened = event.occurred_at.timestamp()
            delays.append(timestamp_ms / 1000 - happened)
            overtaken.append(max(0.0, newest.get(batch.partition, 0.0) - happened))
            newest[batch.partition] = max(newest.get(batch.partition, 0.0), happened)
    assert min(delays) >= -0.001
    assert max(delays) <= MAX_DELAY_S + 0.1
    assert 0 < max(overtaken) <= MAX_DELAY_S + 0.1
    assert sum(overtook > 1 for overtook in overtaken) < 0.001 * len(overtaken)


def test_every_call_starts_before_it_is_completed(batches: list[EventBatch]) -> None:
    begun: dict[str, CallStarted] = {}
    for batch in batches:
        for event in batch.events:
            if isinstance(event, CallStarted):
                assert event.call_id not in begun
                begun[event.call_id] = event
            elif isinstance(event, CallCompleted):
                start = begun.pop(event.call_id)
                lasted_ms = (event.occurred_at - start.occurred_at) / timedelta(milliseconds=1)
                assert lasted_ms == pytest.approx(event.latency_ms, abs=0.01)
                assert (start.producer_id, start.user_id, start.api_key_id) == (
                    event.producer_id, event.user_id, event.api_key_id,
                )  # fmt: skip
    end = FRIDAY + timedelta(days=2)
    assert all(event.occurred_at > end - timedelta(minutes=3) for event in begun.values())


def test_there_are_as_many_calls_as_asked_for(calls: list[CallCompleted]) -> None:
    a_week = ordinary(days=7, calls_per_day=700)
    count = sum(isinstance(event, CallCompleted) for batch in a_week.batches() for event in batch.events)
    assert 0.8 < count / (7 * 700) < 1.2
    assert len(calls) == len({call.call_id for call in calls})


def test_offices_work_by_day_and_rest_on_saturday(calls: list[CallCompleted]) -> None:
    people = [call for call in calls if call.session_id]
    machines = [call for call in calls if call.session_id is None]

    def on(day: int, of: list[CallCompleted]) -> int:
        return sum(call.occurred_at.day == day for call in of)

    assert on(7, people) < 0.35 * on(6, people)
    assert on(7, machines) > 0.5 * on(6, machines)
    for department in {call.department for call in people}:
        own = Counter(
            call.occurred_at.hour for call in people if call.department == department and call.occurred_at.day == 6
        )
        quiet = min(sum(own[(hour + step) % 24] for step in range(6)) for hour in range(24))
        assert quiet < 0.15 * own.total()


def test_few_people_make_most_calls(calls: list[CallCompleted]) -> None:
    by_person = sorted(Counter(call.user_id for call in calls if call.session_id).values(), reverse=True)
    assert sum(by_person[: len(by_person) // 10]) > 0.25 * sum(by_person)


def test_errors_are_rare_and_none_is_a_refusal(calls: list[CallCompleted]) -> None:
    assert 0.004 < fmean(call.status != "SUCCESS" for call in calls) < 0.04
    assert "AUTH_FAILED" not in {call.status for call in calls}
    assert all((call.usage is None) == (call.status != "SUCCESS") for call in calls)


def test_a_retry_repeats_the_request_later(calls: list[CallCompleted]) -> None:
    attempts: defaultdict[str, list[CallCompleted]] = defaultdict(list)
    for call in calls:
        attempts[call.logical_call_id or ""].append(call)
    retried = [sorted(some, key=lambda call: call.retry_count or 0) for some in attempts.values() if len(some) > 1]
    assert retried
    for some in retried:
        assert [call.retry_count for call in some] == list(range(len(some)))
        assert len({call.request_hash for call in some}) == 1
        assert all(call.status != "SUCCESS" for call in some[:-1])
        assert all(a.occurred_at < b.occurred_at for a, b in pairwise(some))


def test_ordinary_calls_stay_below_what_rules_forbid(calls: list[CallCompleted]) -> None:
    by_minute = Counter((call.user_id, call.occurred_at.replace(second=0, microsecond=0)) for call in calls)
    assert max(by_minute.values()) < 40
    assert max(call.usage.input_tokens or 0 for call in calls if call.usage) <= 24_000
    first_tries = Counter(call.request_hash for call in calls if not call.retry_count)
    assert 1 < max(first_tries.values()) <= 3


def test_chats_grow_and_use_the_cache(calls: list[CallCompleted]) -> None:
    sessions: defaultdict[str, list[CallCompleted]] = defaultdict(list)
    for call in calls:
        if call.session_id and call.usage:
            sessions[call.session_id].append(call)
    long = [
        some
        for some in sessions.values()
        if len(some) >= 6 and some[0].feature not in {"completion", "code-review", "tests"}
    ]
    assert median((some[5].usage.input_tokens or 0) / (some[0].usage.input_tokens or 1) for some in long) > 1.3  # type: ignore[union-attr]  # filtered
    assert fmean(bool(some[5].usage.cache_read_tokens) for some in long) > 0.2  # type: ignore[union-attr]  # filtered


def test_streams_tell_when_they_began(calls: list[CallCompleted]) -> None:
    assert 0.2 < fmean(bool(call.stream) for call in calls) < 0.95
    for call in calls:
        if call.stream and call.status == "SUCCESS":
            assert call.time_to_first_token_ms is not None
            assert call.latency_ms is not None
            assert call.time_to_first_token_ms <= call.latency_ms
        else:
            assert call.time_to_first_token_ms is None


def test_deploys_begin_new_producers_without_a_gap() -> None:
    simulation = ordinary(days=6, calls_per_day=900)
    producers: dict[str, int] = {}
    for batch in simulation.batches():
        for event in cast("list[CallEvent]", batch.events):
            assert event.producer_seq == producers.get(event.producer_id, 0) + 1
            producers[event.producer_id] = event.producer_seq
    assert len(producers) > len(simulation._company.pod_services)


def test_memory_does_not_grow_with_the_days() -> None:
    def peak(days: float) -> int:
        batches = ordinary(days=days, calls_per_day=1_000).batches()
        next(batches)
        tracemalloc.start()
        for _ in batches:
            pass
        _, top = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return top

    assert peak(3) < 1.5 * peak(1)


@pytest.mark.parametrize("days", [0.01, 0.13])
def test_nothing_happens_when_the_time_is_over(days: float) -> None:
    """Not to the end of the hour: what is made up for now would say that it comes from the future."""
    simulation = ordinary(days=days, calls_per_day=200_000)
    events = [cast("CallEvent", event) for batch in simulation.batches() for event in batch.events]
    ended = sum(isinstance(event, CallCompleted) for event in events)
    assert max(event.occurred_at for event in events) <= FRIDAY + timedelta(days=days)
    assert 0 < ended < len(events) - ended
