"""The spool as an outlet: one directory, one writer, one publisher for each process."""

import atexit
import logging
import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from tokentrail.kafka_security import kafka_options
from tokentrail.producers.delivery import Delivery
from tokentrail.producers.delivery_thread import DeliveryThread
from tokentrail.producers.guard import guarded
from tokentrail.producers.records import Record
from tokentrail.producers.spool.adoption import GRACE_S, Consignment, Orphanage
from tokentrail.producers.spool.cursor import CursorFile
from tokentrail.producers.spool.directory import (
    Destination,
    SpoolDirectory,
    default_root,
    make_directory,
    make_directory_somewhere,
)
from tokentrail.producers.spool.others import OthersSize
from tokentrail.producers.spool.segments import Segments
from tokentrail.producers.spool.shipping import Shipping
from tokentrail.producers.spool.tail import Tail
from tokentrail.producers.spool.writer import SpoolLimits, SpoolWriter, WriterLinks
from tokentrail.producers.stats import BusCounts
from tokentrail.settings import Settings

EXIT_DEADLINE_S: Final = 2.0
"""How long a program that ends waits for its last events to be shipped; what is not stays on the disk."""
_HOPELESS_S: Final = 0.2
_LINGER_S: Final = 0.1
"""How long more is waited for before a round is shipped: a round costs as much CPU as a hundred events, and what waits
is on the disk."""
_TRY_AGAIN_S: Final = 30.0
_TIDYING: Final = guarded("tidying the spool")
_log = logging.getLogger("tokentrail")


class SpoolStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a spool has done in this process. spooled = published + pending + what was given up later."""

    spooled: int
    """Records that were written to the disk."""
    published: int
    """Of these, acknowledged by all in-sync replicas."""
    pending: int
    dropped: dict[str, int]
    """Records that were not kept or not published, by reason."""
    adopted: int
    """Records of dead processes that this one has published."""
    spool_bytes: int
    retries: int
    last_error: str
    """What stands in the way now; empty when nothing does."""


class SpoolOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where a spool is and where it ships to."""

    root: Path
    topic: str
    kafka: str = ""
    """Bootstrap servers; empty: nobody to ship to."""
    connect: Callable[[], dict[str, Any]] = dict
    """Gives aiokafka's connection arguments; called in the publisher's thread."""
    limits: SpoolLimits = SpoolLimits()
    grace_s: float = GRACE_S


class Spool:
    """Keeps records on the disk until Kafka has acknowledged them: in order per producer id, none lost, none twice.

    `append` and `commit` belong to one thread; everything else may be called from any. Nothing raises. What `commit`
    returned True for is shipped by this process, or by the next one that starts after its death, however it died.
    Nothing is made before the first record. A forked child begins anew, in a directory of its own, and ships nothing
    of its parent's. A program that ends waits up to two seconds for Kafka, unless that is known to be away; what is
    left then is shipped by the next.
    """

    def __init__(
        self, options: SpoolOptions, *, on_drop: Callable[[bytes, int], None] = lambda _key, _count: None
    ) -> None:
        self._options = options
        self._on_drop = on_drop
        self._abandoned: list[Any] = []
        self._closing = False
        self._begin()
        _spools.add(self)
        atexit.register(_close_at_exit, weakref.ref(self))

    @classmethod
    def from_settings(
        cls, settings: Settings, *, on_drop: Callable[[bytes, int], None] = lambda _key, _count: None
    ) -> Self:
        """Return a spool as the settings say. Where they name no broker it keeps events, and says so once."""
        limits = SpoolLimits(
            max_bytes=settings.spool_max_bytes,
            max_age_s=settings.spool_max_age_s,
            sync=settings.delivery == "strict",
        )
        options = SpoolOptions(
            root=settings.spool or default_root(),
            topic=settings.topic("llm.calls"),
            kafka=settings.kafka if settings.kafka_configured else "",
            connect=lambda: kafka_options(settings),
            limits=limits,
        )
        return cls(options, on_drop=on_drop)

    def append(self, record: Record) -> bool:
        """Take a record into the group that the next `commit` writes. False: dropped, and counted under its reason."""
        if self._closing:
            self._dropped["closed"] += 1
            return False
        writer = self._writer or self._open()
        if writer is None:
            self._dropped["no_directory"] += 1
            return False
        return writer.append(record)

    def commit(self) -> bool:
        """Write what was appended since the last commit. False: not all of it is kept; see `SpoolWriter.commit`."""
        if self._writer is None:
            return True
        complete = self._writer.commit()
        self._follow_first_commit()
        if self._shipping is not None and self._shipping.waits():
            self._thread.wake()
        return complete

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything committed so far is acknowledged. False: time is up, or there is no broker."""
        segments = self._segments
        if segments is None:
            return True
        target = segments.committed
        deadline = time.monotonic() + timeout_s
        self._thread.hurry = True
        try:
            with self._progress:
                while segments.acknowledged < target and self._shipping is not None and not self._closed:
                    if not self._progress.wait(max(0.0, deadline - time.monotonic())):
                        break
            return segments.acknowledged >= target
        finally:
            self._thread.hurry = False

    def close(self, timeout_s: float = EXIT_DEADLINE_S) -> bool:
        """Commit, flush, stop the thread, let go of the directory. False: something is left for the next process.

        From now on everything is dropped. The thread that appends must have stopped.
        """
        directory, segments, writer = self._directory, self._segments, self._writer
        if self._closing or directory is None or segments is None or writer is None:
            self._closing = True
            return not self.stats().pending
        self._closing = True
        writer.close()
        complete = self.flush(timeout_s)
        self._thread.stop(timeout_s)
        self._closed = True
        if complete:
            directory.remove()
        else:
            directory.release()
        return complete

    def stats(self) -> SpoolStats:
        """Return the counts so far."""
        writer, segments, shipping = self._writer, self._segments, self._shipping
        dropped = self._dropped.copy()
        last_error = ""
        if writer is not None:
            dropped.update(writer.dropped)
            last_error = writer.last_error
        if shipping is not None:
            dropped.update(shipping.dropped)
            last_error = last_error or shipping.delivery.last_error
        return SpoolStats(
            spooled=segments.committed if segments else 0,
            published=shipping.published if shipping else 0,
            pending=segments.committed - segments.acknowledged if segments else 0,
            dropped={reason: count for reason, count in dropped.items() if count},
            adopted=shipping.adopted if shipping else 0,
            spool_bytes=segments.size_bytes if segments else 0,
            retries=shipping.delivery.retries if shipping else 0,
            last_error=last_error,
        )

    def counts(self) -> BusCounts:
        """Return of the counts what every bus has."""
        stats = self.stats()
        return BusCounts(
            spooled=stats.spooled,
            published=stats.published,
            pending=stats.pending,
            dropped=stats.dropped,
            spool_bytes=stats.spool_bytes,
            last_error=stats.last_error,
        )

    def _begin(self) -> None:
        self._progress = threading.Condition()
        self._thread = DeliveryThread(_NOTHING)
        self._directory: SpoolDirectory | None = None
        self._segments: Segments | None = None
        self._writer: SpoolWriter | None = None
        self._shipping: Shipping | None = None
        self._begin_keeping: Callable[[], None] | None = None
        self._dropped: Counter[str] = Counter()
        self._try_again_s = 0.0
        self._closing = False
        self._closed = False

    def _begin_again(self) -> None:
        """In a forked child: the thread is gone; everything else is the parent's, and kept, unused."""
        self._abandoned.append((self._thread, self._shipping, self._segments, self._progress))
        if self._writer is not None and self._directory is not None:
            self._writer.abandon()
            self._directory.abandon()
        self._begin()

    def _open(self) -> SpoolWriter | None:
        if time.monotonic() < self._try_again_s:
            return None
        options = self._options
        destination = Destination(options.topic, options.kafka)
        try:
            # What must not be lost with the machine must not be in a temporary directory.
            make = make_directory if options.limits.sync else make_directory_somewhere
            directory = make(options.root, destination)
        except OSError as error:
            self._try_again_s = time.monotonic() + _TRY_AGAIN_S
            if not self._dropped:
                _log.warning(
                    "No directory can be made for the spool (%s): events are dropped and counted until it can; calls "
                    "are not affected.", error,
                )  # fmt: skip
            return None
        root = directory.path.parent
        segments = Segments(directory.path)
        tail = Tail(segments)
        links = WriterLinks(on_drop=self._on_drop, others_bytes=OthersSize(root))
        orphanage = Orphanage(root, destination.takes, max_age_s=options.limits.max_age_s, grace_s=options.grace_s)
        if options.kafka:
            links = msgspec.structs.replace(links, offer=tail.offer)
            own = Consignment(directory, segments, tail, CursorFile(directory.path).read())
            self._shipping = Shipping(own, orphanage, self._make_delivery, self._notify)
            self._thread = DeliveryThread(self._shipping, _LINGER_S)
        else:
            # Behind the first commit: what a logger and another thread take, the first record does not wait for.
            self._begin_keeping = partial(self._keep_only, root, orphanage)
        self._directory, self._segments = directory, segments
        self._writer = SpoolWriter(segments, options.limits, links)
        return self._writer

    def _follow_first_commit(self) -> None:
        begin_keeping = self._begin_keeping
        if begin_keeping is not None:
            self._begin_keeping = None
            begin_keeping()

    def _make_delivery(self, **callbacks: Any) -> Delivery:
        options = self._options
        return Delivery(options.connect, options.topic, waiting=f"in {options.root}", **callbacks)

    def _notify(self) -> None:
        with self._progress:
            self._progress.notify_all()

    def _keep_only(self, root: Path, orphanage: Orphanage) -> None:
        _log.warning(
            "No Kafka is configured: events are kept in %s. Set TOKENTRAIL_KAFKA, or ship them with "
            "`tokentrail spool ship %s`.", root, root,
        )  # fmt: skip

        def tidy() -> None:
            with _TIDYING:
                orphanage.tidy()

        threading.Thread(target=tidy, name="tokentrail-spool-tidying", daemon=True).start()


class _Nothing:
    """The work of a thread that never starts."""

    def waits(self) -> int:
        return 0

    async def work(self) -> None:
        return None

    async def close(self) -> None:
        return None


_NOTHING: Final = _Nothing()


def _close_at_exit(reference: "weakref.ref[Spool]") -> None:
    spool = reference()
    if spool is not None:
        # Nobody waits for a broker that is known to be away: what is on the disk is shipped by the next process.
        spool.close(_HOPELESS_S if spool.counts().last_error else EXIT_DEADLINE_S)


def _after_fork_in_child() -> None:
    for spool in list(_spools):
        spool._begin_again()  # noqa: SLF001 - this module's own class


_spools: "weakref.WeakSet[Spool]" = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork_in_child)
