"""Replay in several processes: each reads and slices partitions of its own, and watches entities of its own.

They send each other frames, as live workers do through `llm.slices`, and the process that asked gets the alerts and
puts them in order. Who is ahead in the log waits, so that the memory stays that of some seconds of the log.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.log_source import LogSource
from tokentrail.processors.price_sources import open_price_book
from tokentrail.processors.process_group import Post, ProcessGroup, Report, Send
from tokentrail.processors.replay_parts import (
    AlertMerge,
    ReplaySlicing,
    ReplayWatching,
    RoutedFrame,
    add_counts,
    assign_partitions,
    join_spans,
)
from tokentrail.processors.sieve.sifting import Sifted, cut_batch, sift_log
from tokentrail.processors.slicing import RecordBatch, SlicerCounts
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.rules import Rule
from tokentrail.settings import Settings

SIFTING: Final = 0.4
"""How much of the time of a sifted replay is the sifting, about."""
AHEAD_RECORDS: Final = 40_000
"""So many records a process may slice that lie behind what the others are at."""
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
    sifted: Sifted | None

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


class _Report(Report, array_like=True, kw_only=True):
    """What a process tells the one that asked; the last one has counts."""

    clock: int | None = None
    alerts: list[Alert] = msgspec.field(default_factory=list)
    counts: SlicerCounts | None = None
    entities: dict[str, int] = msgspec.field(default_factory=dict)
    span_s: tuple[int, int] = (-1, -1)


_encode = msgspec.msgpack.Encoder().encode
_decode_message = msgspec.msgpack.Decoder(_Message).decode


class ProcessReplay:
    """One replay in `processes` processes. Its alerts, and their order, are those of `Replay`.

    With `sift` the log is read twice: first to find out for which entities a rule can fire at all. The alerts are the
    same; a busy log takes about half the time.
    """

    def __init__(
        self, rules: Sequence[Rule], source: LogSource, settings: Settings, processes: int, *, sift: bool = False
    ) -> None:
        self._rules = list(rules)
        self._sift = sift
        self._source = source
        self._settings = settings
        self._processes = processes
        self._fractions: dict[int, float] = {}
        self._sifted_share = 0.0
        self._counts: list[SlicerCounts] = []
        self._spans: list[tuple[int, int]] = []
        self.entities: Counter[str] = Counter()
        """How many entities each view had; complete at the end."""

    @property
    def fraction(self) -> float:
        """How much is done, from 0 to 1."""
        read = min(self._fractions.values(), default=0.0)
        return SIFTING * self._sifted_share + (1 - SIFTING) * read if self._sift else read

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
        if not any(shares):
            return
        sifted = self._sift_log(shares, through, note) if self._sift else None
        task = _Task(self._settings, self._rules, self._source, shares, through, to_end, sifted)
        self._fractions = {number: 0.0 for number, share in enumerate(shares) if share}
        merge = AlertMerge(task.watchers)
        with ProcessGroup(_work, task, len(shares), _Report) as group:
            for number, report in group.reports():
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
        for view, left in sifted.survivors.items() if sifted else ():
            if left.entities is not None:
                self.entities[view] = left.entities

    def _sift_log(self, shares: list[list[int]], through: int | None, note: Callable[[float], None] | None) -> Sifted:
        def note_share(share: float) -> None:
            self._sifted_share = share
            if note is not None:
                note(self.fraction)

        return sift_log(self._rules, self._source, self._settings, shares, through or 0, note_share)


def _work(task: _Task, number: int, post: Post, send: Send) -> None:
    """Run one process."""
    _Worker(task, number, post, send).run()


class _Worker:
    """One process: reads and slices its partitions, watches its entities."""

    def __init__(self, task: _Task, number: int, post: Post, send: Send) -> None:
        self._task = task
        self._number = number
        self._post = post
        self._send_up = send
        self._positions = dict.fromkeys(post.others, -1)
        self._newest: dict[int, int] = {}
        self._over: set[int] = set()
        self._ahead = 0
        sources = sum(len(share) for share in task.shares)
        cost = CostMeter(open_price_book(task.settings))
        lateness_ms, share = task.settings.allowed_lateness_ms, task.shares[number]
        survivors = task.sifted.survivors if task.sifted else None
        self._slicing = ReplaySlicing(task.rules, share, lateness_ms, sources, len(task.watchers), cost, survivors)
        self._watching = ReplayWatching(task.rules, survivors)

    def run(self) -> None:
        """Read the log to its end, and report."""
        share = self._task.shares[self._number]
        for batch in self._read(share) if share else ():
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

    def _read(self, share: list[int]) -> Iterator[RecordBatch]:
        sifted = self._task.sifted
        for batch in self._task.source.read(share):
            kept = cut_batch(batch, sifted.last_offsets.get(batch.partition, -1)) if sifted else batch
            if kept is not None:
                yield kept

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
        report = _Report(clock=self._watching.clock, alerts=alerts, fraction=self._task.source.fraction, is_last=last)
        if last:
            report.counts = self._slicing.counts()
            report.span_s = self._slicing.span_s
            report.entities = dict(self._watching.entities.counts)
        self._send_up(report)
