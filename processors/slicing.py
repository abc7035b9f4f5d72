"""Slicing: one source partition's calls become closed one-second tallies per entity. Pure; its only clock is the log's.

Lateness is decided by the log alone. The watermark of a partition is the newest event time seen minus the allowed
lateness, or what a watermark record says, whichever is later, but never ahead of the broker's clock. A second is closed
once the watermark has passed its end; a call for a closed second is late: counted, and skipped. A call whose time is
far off its arrival at the broker has a suspect clock: it never moves the watermark, and it is counted in the second of
its arrival, as is everything that is not about when calls happened: who has lost records, and whose clock is off.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.open_seconds import OpenSecond, Tallying
from tokentrail.processors.producer_links import LinkTally
from tokentrail.processors.sieve.admission import Survivors
from tokentrail.processors.tally_plan import TallyPlan
from tokentrail.schemas.decoding import Rejected, decode_event
from tokentrail.schemas.events import CallCompleted, Event, ProducerStats, Watermark
from tokentrail.schemas.slices import Row, Slice

MAX_AHEAD_S: Final = 300
"""An event may be this much ahead of its arrival: clocks drift by seconds, not by more."""
MAX_BEHIND_S: Final = 7 * 86_400
"""An event may be this much behind its arrival: a spool that was offline for a week is still live data."""
SKEWED_S: Final = 300
"""So far off its arrival a call counts as `clock_skewed`: a wrong clock, or a delivery that was held up."""


class RecordBatch(msgspec.Struct, frozen=True, gc=False):
    """Records of one partition in offset order, column by column. `timestamps_ms` are the broker's append times."""

    partition: int
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    payloads: Sequence[bytes | None]


class EventBatch(msgspec.Struct, frozen=True, gc=False):
    """The same, of events that are decoded already, with the SHA-256 of each one's bytes in hex."""

    partition: int
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    events: Sequence[Event]
    hashes: Sequence[str]


class SlicerCounts(msgspec.Struct):
    """What happened to the records of one partition since the slicer was made."""

    records: int = 0
    calls: int = 0
    late: int = 0
    clock_suspect: int = 0
    clock_skewed: int = 0
    rejected: int = 0


class Rejection(msgspec.Struct, frozen=True):
    """A record for the dead letters."""

    offset: int
    payload: bytes | None
    why: Rejected


class BatchOutcome(msgspec.Struct, frozen=True):
    """`newest_second`: the batch is accounted for once this second is closed; None if it opened nothing."""

    newest_second: int | None
    rejections: list[Rejection]


class ClosedSlices(msgspec.Struct, frozen=True):
    """Seconds that one source partition closed: everything up to `closed_through` is complete and final."""

    source_partition: int
    closed_through: int
    rows: list[Row]
    slices: list[Slice]
    opened: int = -1
    """The first of these seconds in which there was anything, whether it got a slice or not; -1: none."""


class PartitionSlicer:
    """Slices one source partition. Feed it every record in offset order; not thread-safe."""

    def __init__(
        self,
        partition: int,
        plan: TallyPlan,
        allowed_lateness_ms: int,
        cost: CostMeter | None = None,
        survivors: Survivors | None = None,
    ) -> None:
        self.partition = partition
        self.counts = SlicerCounts()
        self.closed_through: int | None = None
        """Last second handed out by `close`; None before the first."""
        self._lateness_s = allowed_lateness_ms / 1000
        self._watermark_s = float("-inf")
        self._cost = cost
        self._survivors = survivors
        self._open: dict[int, OpenSecond] = {}
        self.follow(plan)

    def follow(self, plan: TallyPlan) -> None:
        """Tally by another plan from the next second that opens on; what is open keeps the views that stay."""
        self.plan = plan
        self._tallying = Tallying(plan, self._cost, self._survivors)

    def add(self, batch: RecordBatch) -> BatchOutcome:
        """Tally a batch of records. CPU only; never raises on bad data."""
        payloads = batch.payloads
        events = [decode_event(payload) for payload in payloads]
        return self._take(batch.offsets, batch.timestamps_ms, events, (), payloads)

    def add_events(self, batch: EventBatch) -> BatchOutcome:
        """Tally a batch of decoded events. CPU only."""
        return self._take(batch.offsets, batch.timestamps_ms, batch.events, batch.hashes, None)

    def close(self) -> ClosedSlices | None:
        """Hand out the seconds that the watermark has passed since the last call; None if there are none."""
        if self._watermark_s == float("-inf"):
            return None
        return self.close_through(int(self._watermark_s // 1) - 1)

    def close_through(self, through: int) -> ClosedSlices | None:
        """Hand out every second up to `through` that is not out yet: for the end of a log, where nothing follows."""
        if self.closed_through is not None and through <= self.closed_through:
            return None
        self.closed_through = through
        rows: list[Row] = []
        slices: list[Slice] = []
        opened = -1
        for second in sorted(second for second in self._open if second <= through):
            ended = self._open.pop(second)
            ended.freeze(second, self._tallying, rows, slices)
            if opened < 0 and (slices or ended.is_looked_at):
                opened = second
        return ClosedSlices(self.partition, through, rows, slices, opened)

    def release(self, *, everything: bool = False) -> Iterator[OpenSecond]:
        """Hand out seconds that the watermark has passed, in place of their slices; or all seconds."""
        for second in sorted(self._open):
            if everything or second + 1 <= self._watermark_s:
                yield self._open.pop(second)

    def _take(
        self,
        offsets: Sequence[int],
        timestamps_ms: Sequence[int],
        events: Sequence[Event | Rejected],
        hashes: Sequence[str],
        payloads: Sequence[bytes | None] | None,
    ) -> BatchOutcome:
        rejections: list[Rejection] = []
        arrivals: list[int] = []
        newest = -1
        counts, wants_skewed = self.counts, self._tallying.wants_skewed
        for index, (event, timestamp_ms) in enumerate(zip(events, timestamps_ms, strict=True)):
            arrival = timestamp_ms // 1000
            if arrival + 1 <= self._watermark_s:
                arrival = int(self._watermark_s)  # a broker's clock has gone back, into seconds that are closed
            arrivals.append(arrival)
            kind = type(event)
            if kind is Rejected:
                rejections.append(Rejection(offsets[index], payloads[index] if payloads else None, event))  # type: ignore[arg-type]  # `kind` says so
                continue
            if kind is Watermark:
                self._raise_watermark(event.watermark.timestamp(), timestamp_ms)  # type: ignore[union-attr]  # as above
                continue
            time_s = event.occurred_at.timestamp()  # type: ignore[union-attr]  # as above
            behind_s = timestamp_ms / 1000 - time_s
            if not -SKEWED_S <= behind_s <= SKEWED_S and kind is not ProducerStats:
                counts.clock_skewed += 1
                if wants_skewed:
                    self._at(arrival).skewed.append(event)  # type: ignore[arg-type]  # as above
                    newest = max(newest, arrival)
            if not -MAX_AHEAD_S <= behind_s <= MAX_BEHIND_S:
                counts.clock_suspect += 1
                continue
            if kind is CallCompleted:
                newest = max(newest, self._tally(event, int(time_s)))  # type: ignore[arg-type]  # as above
            # Never ahead of the broker's clock: a fast clock would make everybody else in the partition late.
            watermark_s = (time_s if behind_s > 0 else timestamp_ms / 1000) - self._lateness_s
            self._watermark_s = max(self._watermark_s, watermark_s)
        if self._tallying.wants_links:
            newest = max(newest, self._link(events, arrivals, hashes, payloads or ()))
        counts.records += len(events)
        counts.rejected += len(rejections)
        return BatchOutcome(newest if newest >= 0 else None, rejections)

    def _link(
        self,
        events: Sequence[Event | Rejected],
        arrivals: Sequence[int],
        hashes: Sequence[str],
        payloads: Sequence[bytes | None],
    ) -> int:
        """Note where each event stands in its producer's chain; returns the newest second of arrival, -1: none."""
        second = newest = -1
        admits = self._tallying.admits_chain
        links: dict[str, LinkTally] = {}
        for index, (event, arrival) in enumerate(zip(events, arrivals, strict=True)):
            if isinstance(event, Rejected | Watermark):
                continue
            if arrival != second:
                second = arrival
                newest = max(newest, second)
                opened = self._at(second)
                opened.seen, links = True, opened.links
            producer = event.producer_id
            if admits is not None and not admits(producer):
                continue
            tally = links.get(producer)
            if tally is None:
                tally = links[producer] = LinkTally()
            tally.add(event, hashes[index] if hashes else sha256(payloads[index] or b"").hexdigest())
        return newest

    def _tally(self, call: CallCompleted, second: int) -> int:
        """Take in a call; returns its second, or -1 for one that is late."""
        if second + 1 <= self._watermark_s:
            self.counts.late += 1
            return -1
        self.counts.calls += 1
        admitting = self._tallying.admitting
        if admitting is None:
            self._at(second).calls.append(call)
            return second
        for key_of in admitting:
            if key_of(call):
                self._at(second).calls.append(call)
                return second
        self._at(second).pass_over(call)
        return second

    def _at(self, second: int) -> OpenSecond:
        found = self._open.get(second)
        if found is None:
            found = self._open[second] = OpenSecond(self._tallying)
        return found

    def _raise_watermark(self, time_s: float, timestamp_ms: int) -> None:
        if time_s > timestamp_ms / 1000 + MAX_AHEAD_S:
            self.counts.clock_suspect += 1
        else:
            self._watermark_s = max(self._watermark_s, min(time_s, timestamp_ms / 1000))
