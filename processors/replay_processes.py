"""Replay in several processes: each reads and slices partitions of its own, and watches entities of its own.

They send each other frames, as live workers do through `llm.slices`, and the process that asked gets the alerts and
puts them in order. Who is ahead in the log waits, so that the memory stays that of some seconds of the log.
"""

import multiprocessing
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from multiprocessing.connection import Connection, wait
from queue import Empty, Full, Queue
from threading import Thread
from typing import TYPE_CHECKING, Final, Self

import msgspec

from tokentrail.errors import SourceError, TokentrailError
from tokentrail.garbage import collect_rarely
from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.log_source import LogSource
from tokentrail.processors.price_sources import open_price_book
from tokentrail.processors.replay_parts import (
    AlertMerge,
    ReplaySlicing,
    ReplayWatching,
    RoutedFrame,
    add_counts,
    assign_partitions,
    join_spans,
)
from tokentrail.processors.slicing import RecordBatch, SlicerCounts
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.rules import Rule
from tokentrail.settings import Settings

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

AHEAD_RECORDS: Final = 40_000
"""So many records a process may slice that lie behind what the others are at."""
_SWITCH_INTERVAL_S: Final = 0.0005
"""The threads that send and receive have little to do, but must not wait for 5 ms each time."""
_WAITING: Final = 16
"""Messages that may wait to be sent to one process, and to be taken in by one."""
_FULL_S: Final = 0.01
"""How long to wait for a message when one's own cannot be sent; both may be waiting for the other."""
_OVER: Final = 2**62


class _Task(msgspec.Struct, frozen=True):
    """What every process is told."""

    settings: Settings
    rules: list[Rule]
    source: LogSource
    shares: list[list[int]]
    through: int | None
    to_end: bool

    @property
    def watchers(self) -> list[int]:
        """The processes that watch: those that have nothing to slice, or else all."""
        idle = [number for number, share in enumerate(self.shares) if not share]
        return idle or list(range(len(self.shares)))


class _Message(msgspec.Struct, array_like=True):
    """What processes tell each other: a frame, where the sender is in the log, its end, or that nothing follows."""

    frame: RoutedFrame | None = None
    position_ms: int = -1
    newest_second: int | None = None
    over: bool = False


class _Report(msgspec.Struct, array_like=True):
    """What a process tells the one that asked."""

    clock: int | None = None
    alerts: list[Alert] = []
    fraction: float = 0.0
    counts: SlicerCounts | None = None
    entities: dict[str, int] = {}
    span_s: tuple[int, int] = (-1, -1)
    error: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode_message = msgspec.msgpack.Decoder(_Message).decode
_decode_report = msgspec.msgpack.Decoder(_Report).decode


class ProcessReplay:
    """One replay in `processes` processes. Its alerts, and their order, are those of `Replay`."""

    def __init__(self, rules: Sequence[Rule], source: LogSource, settings: Settings, processes: int) -> None:
        self._rules = list(rules)
        self._source = source
        self._settings = settings
        self._processes = processes
        self._fractions: dict[int, float] = {}
        self._counts: list[SlicerCounts] = []
        self._spans: list[tuple[int, int]] = []
        self.entities: Counter[str] = Counter()
        """How many entities each view had; complete at the end."""

    @property
    def fraction(self) -> float:
        """How much of the log has been read, from 0 to 1."""
        return min(self._fractions.values(), default=0.0)

    def counts(self) -> SlicerCounts:
        """Return what happened to the records; complete at the end."""
        return add_counts(self._counts)

    @property
    def span_s(self) -> tuple[int, int] | None:
        """The first and the last second in which a record counted; None if none did. Complete at the end."""
        return join_spans(self._spans)

    def run(
        self, until: datetime | None = None, *, to_end: bool = False, note: Callable[[float], None] | None = None
    ) -> Iterator[Alert]:
        """Yield the alerts' state changes in order; as `Replay.run` does. Blocking; `note` gets each new `fraction`.

        Raises:
            TokentrailError: the log cannot be read, or a process has ended before its time.
        """
        shares = assign_partitions(self._source.count_by_partition(), self._processes)
        through = None if until is None else int(until.timestamp()) - 1
        task = _Task(self._settings, self._rules, self._source, shares, through, to_end)
        if not any(shares):
            return
        self._fractions = {number: 0.0 for number, share in enumerate(shares) if share}
        merge = AlertMerge(task.watchers)
        with _Processes(task) as processes:
            for number, report in processes.reports():
                if report.error:
                    raise TokentrailError(report.error)
                if number in self._fractions:
                    self._fractions[number] = report.fraction
                    if note is not None:
                        note(self.fraction)
                if report.counts is not None:
                    self._counts.append(report.counts)
                    self._spans.append(report.span_s)
                    self.entities.update(report.entities)
                if number in task.watchers:
                    clock = float("inf") if report.counts is not None else report.clock
                    yield from merge.add(number, clock, report.alerts)


class _Processes:
    """The processes and their pipes, ended with the block."""

    def __init__(self, task: _Task) -> None:
        context = multiprocessing.get_context("spawn")
        numbers = range(len(task.shares))
        pipes = {(a, b): context.Pipe(duplex=False) for a in numbers for b in numbers if a != b}
        self._reports: dict[Connection, int] = {}
        self._started: list[SpawnProcess] = []
        ends: list[Connection] = []
        for number in numbers:
            reading, writing = context.Pipe(duplex=False)
            self._reports[reading] = number
            inboxes = [pipes[other, number][0] for other in numbers if other != number]
            outboxes = {other: pipes[number, other][1] for other in numbers if other != number}
            process = context.Process(target=_work, args=(task, number, inboxes, outboxes, writing), daemon=True)
            self._started.append(process)
            ends += [writing, *inboxes, *outboxes.values()]
        self._ends = ends

    def __enter__(self) -> Self:
        for process in self._started:
            process.start()
        for end in self._ends:
            end.close()  # the processes have them; here they would keep a broken pipe from showing
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.terminate()
        for process in self._started:
            process.join()
        for reading in self._reports:
            reading.close()

    def reports(self) -> Iterator[tuple[int, _Report]]:
        """Yield what the processes report, until each has reported its end.

        Raises:
            SourceError: one has ended without.
        """
        open_ends = dict(self._reports)
        lost: list[int] = []
        while open_ends:
            for ready in wait(list(open_ends)):
                assert isinstance(ready, Connection)  # noqa: S101 - nothing else is waited for
                number = open_ends[ready]
                try:
                    report = _decode_report(ready.recv_bytes())
                except EOFError:
                    del open_ends[ready]
                    lost.append(number)  # the others end as well; one of them may have said why
                    continue
                if report.counts is not None:
                    del open_ends[ready]
                yield number, report
        for number in lost:
            self._started[number].join()
            raise SourceError(
                f"A process of this replay has ended before its time, with status {self._started[number].exitcode} "
                "(-9: killed, perhaps for want of memory); try again with --processes 1."
            )


def _work(task: _Task, number: int, inboxes: list[Connection], outboxes: dict[int, Connection], up: Connection) -> None:
    """Run one process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the process that asked ends the others
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    collect_rarely()
    # A broken pipe: whoever asked is gone, or one of the others, which has said why.
    with suppress(BrokenPipeError, EOFError):
        try:
            _Worker(task, number, _Post(inboxes, outboxes), up).run()
        except TokentrailError as error:
            up.send_bytes(_encode(_Report(error=str(error))))


class _Post:
    """Messages to and from the other processes, sent and received by threads; bounded in both directions."""

    def __init__(self, inboxes: list[Connection], outboxes: dict[int, Connection]) -> None:
        self.others = list(outboxes)
        self._received: Queue[tuple[int, bytes | None]] = Queue(_WAITING)
        self._outgoing: dict[int, Queue[bytes]] = {other: Queue(_WAITING) for other in outboxes}
        for other, outbox in outboxes.items():
            Thread(target=self._send, args=(outbox, self._outgoing[other]), daemon=True).start()
        for other, inbox in zip(self.others, inboxes, strict=True):
            Thread(target=self._receive, args=(other, inbox), daemon=True).start()

    def offer(self, other: int, encoded: bytes) -> bool:
        """Send to one process; False: it has too much waiting, take in what it sends and try again."""
        try:
            self._outgoing[other].put_nowait(encoded)
        except Full:
            return False
        return True

    def take(self, timeout_s: float | None = 0.0) -> tuple[int, bytes | None] | None:
        """Return who sent, and a message, or None where the sender is gone; None: nothing came (None: wait for it)."""
        try:
            return self._received.get(timeout=timeout_s) if timeout_s != 0.0 else self._received.get_nowait()
        except Empty:
            return None

    def flush(self) -> None:
        """Wait until everything is sent."""
        for outgoing in self._outgoing.values():
            outgoing.join()

    @staticmethod
    def _send(outbox: Connection, outgoing: "Queue[bytes]") -> None:
        broken = False
        while True:
            encoded = outgoing.get()
            try:
                if not broken:
                    outbox.send_bytes(encoded)
            except OSError:
                broken = True  # told by the receiving side; what is still put here must not block
            outgoing.task_done()

    def _receive(self, other: int, inbox: Connection) -> None:
        try:
            while True:
                self._received.put((other, inbox.recv_bytes()))
        except (EOFError, OSError):
            self._received.put((other, None))


class _Worker:
    """One process: reads and slices its partitions, watches its entities."""

    def __init__(self, task: _Task, number: int, post: _Post, up: Connection) -> None:
        self._task = task
        self._number = number
        self._post = post
        self._up = up
        self._positions = dict.fromkeys(post.others, -1)
        self._newest: dict[int, int] = {}
        self._over: set[int] = set()
        self._ahead = 0
        sources = sum(len(share) for share in task.shares)
        cost = CostMeter(open_price_book(task.settings))
        lateness_ms, share = task.settings.allowed_lateness_ms, task.shares[number]
        self._slicing = ReplaySlicing(task.rules, share, lateness_ms, sources, len(task.watchers), cost)
        self._watching = ReplayWatching(task.rules, sources)

    def run(self) -> None:
        """Read the log to its end, and report."""
        share = self._task.shares[self._number]
        for batch in self._task.source.read(share) if share else ():
            self._pace(batch)
            self._hand_on(self._slicing.add(batch))
            self._report()
        self._send_all(_Message(position_ms=_OVER, newest_second=self._slicing.span_s[1]))
        while len(self._newest) < len(self._post.others):
            self._take(None)
            self._report()
        through = self._task.through
        if self._task.to_end:
            through = max([self._slicing.span_s[1], *self._newest.values()])
        if through is not None:
            self._hand_on(self._slicing.close_through(through))
        self._send_all(_Message(over=True))
        while len(self._over) < len(self._post.others):
            self._take(None)
        self._post.flush()
        self._report(last=True)

    def _pace(self, batch: RecordBatch) -> None:
        """Say where this process is, and wait while the others are far behind. Who is furthest behind never waits."""
        position_ms = batch.timestamps_ms[0]
        self._send_all(_Message(position_ms=position_ms))
        self._take()
        while position_ms > min(self._positions.values(), default=_OVER) and self._ahead > AHEAD_RECORDS:
            self._take(None)
            self._report()
        if position_ms > min(self._positions.values(), default=_OVER):
            self._ahead += len(batch.offsets)
        else:
            self._ahead = 0

    def _hand_on(self, frames: list[RoutedFrame]) -> None:
        for routed in frames:
            watcher = self._task.watchers[routed.watcher]
            if watcher == self._number:
                self._watching.apply(routed)
            else:
                self._send(watcher, _Message(frame=routed))

    def _send_all(self, message: _Message) -> None:
        for other in self._post.others:
            self._send(other, message)

    def _send(self, other: int, message: _Message) -> None:
        encoded = _encode(message)
        while not self._post.offer(other, encoded):
            self._take(_FULL_S)

    def _take(self, timeout_s: float | None = 0.0) -> None:
        """Take in what the others have sent; wait so long for the first message, with None until it comes."""
        taken = self._post.take(timeout_s)
        while taken is not None:
            self._note(*taken)
            taken = self._post.take()

    def _note(self, other: int, encoded: bytes | None) -> None:
        if encoded is None:
            if other not in self._over:
                raise EOFError
            return
        message = _decode_message(encoded)
        if message.frame is not None:
            self._watching.apply(message.frame)
        elif message.over:
            self._over.add(other)
        else:
            self._positions[other] = message.position_ms
            if message.newest_second is not None:
                self._newest[other] = message.newest_second

    def _report(self, *, last: bool = False) -> None:
        alerts = self._watching.advance()
        report = _Report(self._watching.clock, alerts, self._task.source.fraction)
        if last:
            report.counts = self._slicing.counts()
            report.span_s = self._slicing.span_s
            report.entities = dict(self._watching.entities.counts)
        self._up.send_bytes(_encode(report))
