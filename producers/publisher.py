"""The publisher: an outlet that puts records into Kafka from a thread of its own."""

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections import Counter
from contextlib import suppress
from typing import Any, Final, Self

import msgspec

from tokentrail.producers.delivery import ROUND_RECORDS, Delivery, DeliveryLoop, quiet_this_thread
from tokentrail.producers.guard import guarded
from tokentrail.producers.kafka_import import import_aiokafka
from tokentrail.producers.record_queue import RecordQueue
from tokentrail.producers.records import Record
from tokentrail.settings import Settings

EXIT_DEADLINE_S: Final = 2.0
"""How long a program that ends waits for its last events."""
_LINGER_S: Final = 0.015
_RESTART_S: Final = 1.0
_ENOUGH_RECORDS: Final = 500
"""With so many waiting, a batch is worth sending at once."""
_WAKING: Final = guarded("waking the publisher")
_RUNNING: Final = guarded("publishing")


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
    to two seconds for its last records.
    """

    def __init__(self, bootstrap: str, topic: str, *, max_records: int = 100_000, max_bytes: int = 134_217_728) -> None:
        self._bootstrap = bootstrap
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
        return cls(settings.kafka, settings.topic("llm.calls"))

    def __call__(self, record: Record) -> bool:
        """Queue a record. False: dropped, and counted under its reason."""
        if self._closing:
            self._queue.dropped["closed"] += 1
            return False
        accepted = self._queue.put(record)
        if not self._awake:
            with _WAKING:
                self._wake()
        return accepted

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

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything queued so far is acknowledged. False: time is up and something is still on its way."""
        target = self._queue.accepted
        deadline = time.monotonic() + timeout_s
        self._hurry = True
        try:
            with self._progress:
                while self._settled < target:
                    if self._closed or not self._progress.wait(max(0.0, deadline - time.monotonic())):
                        return self._settled >= target
            return True
        finally:
            self._hurry = False

    def close(self, timeout_s: float = EXIT_DEADLINE_S) -> bool:
        """Flush, then stop the thread. False: time was up, and what was still on its way is given up and counted."""
        if self._closed:
            return self._settled >= self._queue.accepted
        self._closing = True
        complete = self.flush(timeout_s)
        with suppress(RuntimeError):  # the loop may be gone already
            if self._loop is not None and self._stop is not None:
                self._loop.call_soon_threadsafe(self._stop.cancel)
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._closed = True
        given_up = self._queue.accepted - self._settled
        if given_up:
            self._refused["closed_before_delivery"] += given_up
            self._settled += given_up
        return complete

    def _begin(self) -> None:
        self._queue = RecordQueue(*self._limits)
        self._progress = threading.Condition()
        self._starting = threading.RLock()
        self._delivery = Delivery(self._bootstrap, self._topic, settle=self._on_settled, refuse=self._on_refused)
        self._settled = 0
        self._refused: Counter[str] = Counter()
        self._thread: threading.Thread | None = None
        self._loop: DeliveryLoop | None = None
        self._stop: asyncio.Task[None] | None = None
        self._work: asyncio.Event | None = None
        self._awake = False
        self._hurry = False
        self._closing = False
        self._closed = False

    def _begin_again(self) -> None:
        """In a forked child: the thread is gone; queue, locks and connections are the parent's.

        They are kept, unused: letting them go would close sockets and selectors that the parent still works with.
        """
        self._abandoned.append((self._queue, self._delivery, self._loop, self._stop, self._thread, self._progress))
        self._begin()

    def _wake(self) -> None:
        loop, work = self._loop, self._work
        if loop is not None and work is not None:
            self._awake = True
            loop.call_soon_threadsafe(work.set)
            return
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tokentrail-publisher", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closing:
            with _RUNNING:
                import_aiokafka()
                with quiet_this_thread():
                    self._run_loop()
            if not self._closing:  # it failed to start: perhaps the next time
                time.sleep(_RESTART_S)

    def _run_loop(self) -> None:
        loop = DeliveryLoop()
        loop.set_exception_handler(lambda _loop, _context: None)  # told by `last_error`, not in the host's log
        self._loop = loop
        try:
            self._stop = loop.create_task(self._publish())
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(self._stop)
            loop.run_until_complete(self._delivery.close())
        finally:
            self._loop = None
            loop.close()

    async def _publish(self) -> None:
        self._work = work = asyncio.Event()
        while True:
            if not len(self._queue):
                work.clear()
                self._awake = False
                if not len(self._queue):  # a record may have come between the two lines above
                    await work.wait()
                self._awake = True
            if len(self._queue) < _ENOUGH_RECORDS and not self._hurry:
                await asyncio.sleep(_LINGER_S)
            await self._delivery.deliver(self._queue.take(ROUND_RECORDS))

    def _on_settled(self, count: int) -> None:
        with self._progress:
            self._settled += count
            self._progress.notify_all()

    def _on_refused(self, reason: str, count: int) -> None:
        self._refused[reason] += count


def _close_at_exit(reference: "weakref.ref[Publisher]") -> None:
    publisher = reference()
    if publisher is not None:
        publisher.close()


def _after_fork_in_child() -> None:
    for publisher in list(_publishers):
        publisher._begin_again()  # noqa: SLF001 - this module's own class


_publishers: "weakref.WeakSet[Publisher]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork_in_child)
