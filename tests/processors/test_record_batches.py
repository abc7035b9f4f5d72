from types import SimpleNamespace

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from tokentrail.processors.record_batches import Continuity, OrderedAcks, _BatchingThread
from tokentrail.processors.slicing import RecordBatch


class _Event:
    def __init__(self, name: str, acked: list[str]) -> None:
        self._name = name
        self._acked = acked

    def ack(self) -> None:
        self._acked.append(self._name)


def test_batches_are_acknowledged_in_order_and_only_behind_what_is_accounted_for() -> None:
    acked: list[str] = []
    acks = OrderedAcks()
    for name, second in (("a", 5), ("b", None), ("c", 9), ("d", 7)):
        acks.hold(_Event(name, acked), second)  # type: ignore[arg-type]  # all that is asked of an event is ack()
    acks.release(None)
    assert acked == []
    acks.release(8)
    assert acked == ["a", "b"], "d is accounted for, but behind c"
    acks.release(9)
    assert acked == ["a", "b", "c", "d"]


def _batch(first: int, count: int) -> RecordBatch:
    return RecordBatch(0, range(first, first + count), [0] * count, [b""] * count)


def test_a_batch_behind_one_that_never_came_is_not_taken_until_that_one_came() -> None:
    continuity = Continuity(100)
    assert continuity.admit(_batch(100, 10)) is None
    assert continuity.admit(_batch(120, 5)) == 110
    assert continuity.admit(_batch(125, 5)) == 110
    assert continuity.admit(_batch(110, 15)) is None
    assert continuity.admit(_batch(125, 5)) is None


def test_a_partition_whose_beginning_kafka_no_longer_has_is_read_from_where_it_begins() -> None:
    continuity = Continuity(0)
    assert continuity.admit(_batch(500, 10)) == 0
    assert continuity.admit(_batch(500, 10)) is None


def test_a_changelog_that_is_only_written_is_not_told_to_be_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    monkeypatch.setattr(
        driver.AIOKafkaConsumerThread, "verify_event_path", lambda _thread, _now, tp: looked_at.append(tp.topic)
    )
    thread = _BatchingThread.__new__(_BatchingThread)
    monkeypatch.setattr(thread, "app", SimpleNamespace(batched_topics=frozenset({"llm.slices"})), raising=False)
    for topic in ("llm.slices", "llm.watch-state"):
        thread.verify_event_path(400.0, TP(topic, 0))
    assert looked_at == ["llm.slices"]
