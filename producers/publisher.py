"""The publisher: an outlet that puts records into Kafka from a thread of its own."""

import atexit
import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Self

import msgspec

from tokentrail.kafka_security import kafka_options
from tokentrail.producers.delivery import ROUND_RECORDS, Delivery
from tokentrail.producers.delivery_thread import DeliveryThread
from tokentrail.producers.record_queue import RecordQueue
from tokentrail.producers.records import Record
from tokentrail.producers.stats import BusCounts
from tokentrail.settings import Settings

EXIT_DEADLINE_S: Final = 2.0
"""How long a program that ends waits for its last events."""
_ENOUGH_RECORDS: Final = 500
"""With so many waiting, a batch is worth sending at once."""


class PublisherStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher has done in this process. accepted = delivered + pending + refused by the broker."""

    accepted: int
    delivered: int
    """Acknowledged by all in-sync replicas."""
    pending: int
    pending_bytes: int
    """What waits in memory; records on their way are not in it."""
    dropped: dict[str, int]
    """Records that were not published, by reason."""
    retries: int
    last_error: str
    """What stands in the way of delivery now; empty when nothing does."""


class Publisher:
    """Puts records into `llm.calls`: idempotent, acknowledged by all replicas, in order per producer id.

    Calling it never blocks and never raises: a record is queued, or dropped and counted where the queue is full. Kafka
    may be away at any time, also at the start: delivery is tried for ever, within bounded memory. The thread starts
    with the first record. A forked child starts afresh and sends nothing of its parent's. A program that ends waits up
    to two seconds for its last records. What waits in memory when the process is killed is lost: see
    `tokentrail.producers.spool` for what is not.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        *,
        max_records: int = 100_000,
        max_bytes: int = 134_217_728,
        connect: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        self._connect = connect or (lambda: {"bootstrap_servers": bootstrap})
        self._topic = topic
        self._limits = (max_records, max_bytes)
        self._closing = False
        self._closed = False
        self._abandoned: list[Any] = []
        self._begin()
        _publishers.add(self)
        atexit.register(_close_at_exit, weakref.ref(self))

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return a publisher to the broker and topic that the settings name."""
        return cls(settings.kafka, settings.topic("llm.calls"), connect=lambda: kafka_options(settings))

    def __call__(self, record: Record) -> bool:
        """Queue a record. False: dropped, and counted under its reason."""
        if self._closing:
            self._queue.dropped["closed"] += 1
            return False
        accepted = self._queue.put(record)
        self._thread.wake()
        return accepted

    append = __call__

    def commit(self) -> bool:
        """Do nothing: what is queued is as safe as it gets in memory."""
        return True

    def stats(self) -> PublisherStats:
        """Return the counts so far."""
        queue, delivery = self._queue, self._delivery
        refused = sum(self._refused.values())
        return PublisherStats(
            accepted=queue.accepted,
            delivered=self._settled - refused,
            pending=queue.accepted - self._settled,
            pending_bytes=queue.size_bytes,
            dropped=dict(queue.dropped + self._refused),
            retries=delivery.retries,
            last_error=delivery.last_error,
        )

    def counts(self) -> BusCounts:
        """Return of the counts what every bus has."""
        stats = self.stats()
        return BusCounts(
            published=stats.delivered, pending=stats.pending, dropped=stats.dropped, last_error=stats.last_error
        )

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything queued so far is acknowledged. False: time is up and something is still on its way."""
        target = self._queue.accepted
        deadline = time.monotonic() + timeout_s
        self._thread.hurry = True
        try:
            with self._progress:
                while self._settled < target:
                    if self._closed or not self._progress.wait(max(0.0, deadline - time.monotonic())):
                        return self._settled >= target
            return True
        finally:
            self._thread.hurry = False

    def close(self, timeout_s: float = EXIT_DEADLINE_S) -> bool:
        """Flush, then stop the thread. False: time was up, and what was still on its way is given up and counted."""
        if self._closed:
            return self._settled >= self._queue.accepted
        self._closing = True
        complete = self.flush(timeout_s)
        self._thread.stop(timeout_s)
        self._closed = True
        given_up = self._queue.accepted - self._settled
        if given_up:
            self._refused["closed_before_delivery"] += given_up
            self._settled += given_up
        return complete

    def _begin(self) -> None:
        self._queue = RecordQueue(*self._limits)
        self._progress = threading.Condition()
        self._delivery = Delivery(self._connect, self._topic, settle=self._on_settled, refuse=self._on_refused)
        self._thread = DeliveryThread(_QueueWork(self._queue, self._delivery))
        self._settled = 0
        self._refused: Counter[str] = Counter()
        self._closing = False
        self._closed = False

    def _begin_again(self) -> None:
        """In a forked child: the thread is gone; queue, locks and connections are the parent's.

        They are kept, unused: letting them go would close sockets and selectors that the parent still works with.
        """
        self._abandoned.append((self._queue, self._delivery, self._thread, self._progress))
        self._begin()

    def _on_settled(self, count: int) -> None:
        with self._progress:
            self._settled += count
            self._progress.notify_all()

    def _on_refused(self, reason: str, count: int) -> None:
        self._refused[reason] += count


class _QueueWork:
    """The thread's work: whatever is in the queue."""

    def __init__(self, queue: RecordQueue, delivery: Delivery) -> None:
        self._queue = queue
        self._delivery = delivery

    def waits(self) -> int:
        waiting = len(self._queue)
        return 2 if waiting >= _ENOUGH_RECORDS else min(waiting, 1)

    async def work(self) -> None:
        records = self._queue.take(ROUND_RECORDS)
        if records:
            await self._delivery.deliver(records)

    async def close(self) -> None:
        await self._delivery.close()


def _close_at_exit(reference: "weakref.ref[Publisher]") -> None:
    publisher = reference()
    if publisher is not None:
        publisher.close()


def _after_fork_in_child() -> None:
    for publisher in list(_publishers):
        publisher._begin_again()  # noqa: SLF001 - this module's own class


_publishers: "weakref.WeakSet[Publisher]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork_in_child)
