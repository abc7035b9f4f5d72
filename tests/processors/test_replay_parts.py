"""Replay, cut in two: slicing some partitions, watching some entities."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from call_log import START, generate_calls, make_call
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.replay import Replay
from tokentrail.processors.replay_parts import (
    AlertMerge,
    ReplaySlicing,
    ReplayWatching,
    assign_partitions,
    join_spans,
)
from tokentrail.processors.slicing import RecordBatch
from tokentrail.schemas.alerts import Alert, Severity, encode_alert
from tokentrail.schemas.rules import NewEntity, Rule, Threshold

RULES = [
    Rule(name="busy", metric="calls", by=["user_id", "request_model"], window_s=30, condition=Threshold(above=20),
         severity=Severity.HIGH),
    Rule(name="newcomer", metric="calls", by=["user_id"], window_s=60, condition=NewEntity(), learning_s=120,
         severity=Severity.INFO),
]  # fmt: skip
PARTITIONS = 3


def _batches() -> list[RecordBatch]:
    """Partition by partition in turn; the last user comes late, and alone."""
    calls = generate_calls(seconds=400, per_second=3.0)
    calls += [make_call(10_000 + n, START + timedelta(seconds=380 + n), user_id="late") for n in range(15)]
    calls.sort(key=lambda call: call.occurred_at)
    batches = []
    for first in range(0, len(calls), 90):
        for partition in range(PARTITIONS):
            some = [call for call in calls[first : first + 90] if call.producer % PARTITIONS == partition]
            times_ms = [int(call.occurred_at.timestamp() * 1000) + 20 for call in some]
            batches.append(RecordBatch(partition, range(len(some)), times_ms, [call.payload for call in some]))
    return batches


def _replay_in_parts(shares: Sequence[Sequence[int]], watchers: int) -> list[Alert]:
    """Each watcher gets its frames only when all slicing is done: how they interleave must not matter."""
    slicers = [ReplaySlicing(RULES, share, 1000, PARTITIONS, watchers) for share in shares]
    frames = []
    for batch in _batches():
        for slicing, share in zip(slicers, shares, strict=True):
            if batch.partition in share:
                frames += slicing.add(batch)
    frames += [frame for slicing in slicers for frame in slicing.close_through(int(START.timestamp()) + 1000)]
    merge, told = AlertMerge(range(watchers)), []
    for number in range(watchers):
        watching = ReplayWatching(RULES)
        for frame in frames:
            if frame.watcher == number:
                watching.apply(msgspec.msgpack.decode(msgspec.msgpack.encode(frame), type=type(frame)))
        told += merge.add(number, watching.clock, watching.advance())
        told += merge.add(number, watching.clock, [])
    return told


@pytest.fixture(scope="module")
def alone() -> list[bytes]:
    replay = Replay(RULES, range(PARTITIONS), 1000)
    return [encode_alert(alert) for alert in replay.run(_batches(), START + timedelta(seconds=1001))]


@pytest.mark.parametrize("shares", [[[0, 1, 2]], [[0], [1, 2]], [[2], [0], [1]]])
@pytest.mark.parametrize("watchers", [1, 2, 5])
def test_parts_tell_what_one_tells_in_the_same_order(
    alone: list[bytes], shares: Sequence[Sequence[int]], watchers: int
) -> None:
    assert [encode_alert(alert) for alert in _replay_in_parts(shares, watchers)] == alone


def test_a_user_who_comes_late_is_new_whichever_watcher_has_no_other(alone: list[bytes]) -> None:
    """What comes first in a watcher is not what came first in the log: the test above would tell."""
    newcomers = [alert for told in alone if (alert := msgspec.json.decode(told, type=Alert)).rule == "newcomer"]
    assert {alert.entity for alert in newcomers} == {"late", "user-new"}


def test_nothing_is_told_before_every_watcher_has_come_so_far() -> None:
    (first, *_), merge = _replay_in_parts([[0, 1, 2]], 1), AlertMerge([0, 1])
    clock = first.occurred_at.timestamp() - 1
    assert merge.add(0, clock, [first]) == []
    assert merge.add(1, clock - 1, []) == []
    assert merge.add(1, clock, []) == [first]


@given(st.dictionaries(st.integers(0, 30), st.integers(0, 1000), max_size=12), st.integers(1, 5))
def test_partitions_are_shared_out_evenly_and_each_once(counts: dict[int, int], processes: int) -> None:
    shares = assign_partitions(counts, processes)
    assert len(shares) == processes
    assert sorted(partition for share in shares for partition in share) == sorted(counts)
    loads = [sum(max(1, counts[partition]) for partition in share) for share in shares]
    assert max(loads) - min(loads) <= max([1, *counts.values()])


def test_spans_are_joined_without_those_that_hold_nothing() -> None:
    assert join_spans([(5, 9), (-1, -1), (3, 7)]) == (3, 9)
    assert join_spans([(-1, -1)]) is None
