"""The whole core: slicing, watching and the alerts, over whole logs."""

from collections.abc import Iterator

import msgspec
import pytest
from call_log import Call, generate_calls
from hypothesis import given, settings
from hypothesis import strategies as st

from tokentrail.processors.entities import Entity, Glimpse
from tokentrail.processors.frames import pack_frames
from tokentrail.processors.replay import Replay
from tokentrail.processors.rules import load_rules
from tokentrail.processors.slicing import PartitionSlicer, RecordBatch
from tokentrail.processors.tally_plan import plan_tallies
from tokentrail.processors.views import route_entity
from tokentrail.processors.watching import PartitionWatch, WatchMark
from tokentrail.schemas.alerts import Alert, AlertState, encode_alert
from tokentrail.schemas.slices import SliceFrame, decode_frame, encode_frame

PARTITIONS = 4
RULES = load_rules()
PLAN = plan_tallies(RULES)
EXAMPLES = pytest.mark.parametrize("examples", [2, pytest.param(30, marks=pytest.mark.soak)])
"""Each goes over the whole log, for a second and more."""


def _split(calls: list[Call]) -> dict[int, list[Call]]:
    log: dict[int, list[Call]] = {partition: [] for partition in range(PARTITIONS)}
    for call in calls:
        log[call.producer % PARTITIONS].append(call)
    return log


def _batch(partition: int, first: int, calls: list[Call]) -> RecordBatch:
    return RecordBatch(
        partition,
        range(first, first + len(calls)),
        [int(call.occurred_at.timestamp() * 1000) + 50 for call in calls],
        [call.payload for call in calls],
    )


def _cut(log: dict[int, list[Call]], draw_size: Iterator[int], draw_partition: Iterator[int]) -> Iterator[RecordBatch]:
    """Cut each partition into batches of drawn sizes, and interleave the partitions as drawn."""
    at = dict.fromkeys(log, 0)
    while left := [partition for partition in sorted(log) if at[partition] < len(log[partition])]:
        partition = left[next(draw_partition) % len(left)]
        size = next(draw_size)
        start = at[partition]
        at[partition] = start + size
        yield _batch(partition, start, log[partition][start : start + size])


def _forever(values: list[int]) -> Iterator[int]:
    while True:
        yield from values


def _told(alerts: list[Alert]) -> list[bytes]:
    return sorted(encode_alert(alert) for alert in alerts)


@pytest.fixture(scope="module")
def log() -> dict[int, list[Call]]:
    return _split(generate_calls(seconds=1800, per_second=2.0))


@pytest.fixture(scope="module")
def undisturbed(log: dict[int, list[Call]]) -> list[bytes]:
    replay = Replay(RULES, range(PARTITIONS), 1000)
    return _told(list(replay.run(_cut(log, _forever([50]), _forever([0, 1, 2, 3])))))


def test_each_incident_is_found_and_nothing_else(undisturbed: list[bytes]) -> None:
    alerts = [msgspec.json.decode(told, type=Alert) for told in undisturbed]
    found = {(alert.rule, alert.dimension, alert.entity) for alert in alerts if alert.state is AlertState.FIRING}
    assert found == {
        ("high_request_volume", "user_id", "user-1"),
        ("token_spike", "user_id", "user-1"),
        ("high_error_rate", "request_model", "gpt-4.1"),
        ("token_spike", "api_key_id", "key-2"),
        # What the same three incidents do to what is around them:
        ("requests_per_minute", "user_id", "user-1"),
        ("sustained_token_spike", "user_id", "user-1"),
        ("sustained_token_spike", "api_key_id", "key-2"),
        ("provider_degraded", "request_model", "gpt-4.1"),
    }


def test_an_alert_carries_evidence_that_shows_the_anomaly(undisturbed: list[bytes]) -> None:
    for alert in (msgspec.json.decode(told, type=Alert) for told in undisturbed):
        assert alert.evidence
        if alert.state is AlertState.FIRING:
            assert alert.value > alert.threshold


@EXAMPLES
def test_other_batches_and_interleavings_give_identical_alerts(
    log: dict[int, list[Call]], undisturbed: list[bytes], examples: int
) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(
        sizes=st.lists(st.integers(1, 700), min_size=1, max_size=20),
        order=st.lists(st.integers(0, 3), min_size=1, max_size=20),
    )
    def check(sizes: list[int], order: list[int]) -> None:
        replay = Replay(RULES, range(PARTITIONS), 1000)
        assert _told(list(replay.run(_cut(log, _forever(sizes), _forever(order))))) == undisturbed

    check()


def _frames(log: dict[int, list[Call]], sizes: list[int], order: list[int], owners: int) -> list[list[bytes]]:
    """What a slice worker writes: for each destination partition its frames, in order."""
    slicers = {partition: PartitionSlicer(partition, PLAN, 1000) for partition in log}
    written: list[list[bytes]] = [[] for _ in range(owners)]
    for batch in _cut(log, _forever(sizes), _forever(order)):
        slicers[batch.partition].add(batch)
        closed = slicers[batch.partition].close()
        if closed is not None:
            for destination, frame in pack_frames(closed, PLAN.frame_views, PARTITIONS, owners):
                written[destination].append(encode_frame(frame))
    return written


def _apply(watch: PartitionWatch, frame: SliceFrame) -> list[Alert]:
    watch.apply(
        frame.source_partition, frame.source_partitions, frame.closed_through, frame.views, frame.rows, frame.slices
    )
    return list(watch.advance())


@EXAMPLES
def test_a_watch_that_crashes_and_resumes_from_its_mark_tells_identical_alerts(
    log: dict[int, list[Call]], undisturbed: list[bytes], examples: int
) -> None:
    written = {owners: _frames(log, [97], [0, 2, 1, 3, 3], owners) for owners in (1, 2, 3)}

    @settings(max_examples=examples, deadline=None)
    @given(
        owners=st.sampled_from(sorted(written)),
        crashes=st.lists(st.floats(0.01, 0.99), max_size=4),
        save_every=st.integers(1, 400),
        again=st.integers(0, 30),
    )
    def check(owners: int, crashes: list[float], save_every: int, again: int) -> None:
        told: set[bytes] = set()
        for frames in written[owners]:
            told.update(_watch_with_crashes([decode_frame(frame) for frame in frames], crashes, save_every, again))
        assert sorted(told) == undisturbed

    check()


def _watch_with_crashes(frames: list[SliceFrame], crashes: list[float], save_every: int, again: int) -> set[bytes]:
    told: set[bytes] = set()
    stored: dict[tuple[str, str], bytes] = {}
    mark: WatchMark | None = None
    resume = 0
    for end in [*(int(len(frames) * crash) for crash in sorted(crashes)), len(frames)]:
        entities = {key: msgspec.msgpack.decode(state, type=Entity | Glimpse) for key, state in stored.items()}
        watch = PartitionWatch(RULES, entities, mark)
        for index in range(max(0, resume - again), end):
            told.update(encode_alert(alert) for alert in _apply(watch, frames[index]))
            if index % save_every == 0 and watch.mark is not None:
                for key in watch.dirty:
                    stored[key] = msgspec.msgpack.encode(entities[key])
                watch.dirty.clear()
                mark = watch.mark
                resume = next(i for i, frame in enumerate(frames) if frame.closed_through > mark.clock)
    return told


@EXAMPLES
def test_a_slice_worker_that_reads_again_from_its_commit_changes_nothing(
    log: dict[int, list[Call]], undisturbed: list[bytes], examples: int
) -> None:
    """Each partition is sliced on its own, restarted at any batch from the first one not yet accounted for."""

    @settings(max_examples=examples, deadline=None)
    @given(
        restarts=st.lists(st.integers(0, 10_000), max_size=4),
        sizes=st.lists(st.integers(1, 300), min_size=1, max_size=9),
    )
    def check(restarts: list[int], sizes: list[int]) -> None:
        watch = PartitionWatch(RULES, {})
        size = _forever(sizes)
        told: list[Alert] = []
        for partition, calls in log.items():
            for frame in _slice_with_restarts(partition, calls, size, restarts):
                told.extend(_apply(watch, frame))
        assert _told(told) == undisturbed

    check()


def _slice_with_restarts(
    partition: int, calls: list[Call], size: Iterator[int], restarts: list[int]
) -> Iterator[SliceFrame]:
    batches = []
    start = 0
    while start < len(calls):
        length = next(size)
        batches.append(_batch(partition, start, calls[start : start + length]))
        start += length
    crashes = sorted(restart % len(batches) for restart in restarts)
    slicer = PartitionSlicer(partition, PLAN, 1000)
    held: list[tuple[int, int | None]] = []
    index = 0
    while index < len(batches):
        outcome = slicer.add(batches[index])
        closed = slicer.close()
        held.append((index, outcome.newest_second))
        if closed is not None:
            yield from (frame for _, frame in pack_frames(closed, PLAN.frame_views, PARTITIONS, 1))
            while held and (held[0][1] is None or held[0][1] <= closed.closed_through):
                held.pop(0)
        index += 1
        if crashes and index > crashes[0]:
            crashes.pop(0)
            index = held[0][0] if held else index
            slicer, held = PartitionSlicer(partition, PLAN, 1000), []


def test_every_entity_has_one_owner_for_any_number_of_partitions() -> None:
    for partitions in (1, 2, 7):
        assert {route_entity("user_id", f"user-{n}", partitions) for n in range(500)} == set(range(partitions))
