"""Slicing: one source partition's calls become closed one-second tallies per entity. Pure; its only clock is the log's.

Lateness is decided by the log alone. The watermark of a partition is the newest event time seen minus the allowed
lateness, or what a watermark record says, whichever is later, but never ahead of the broker's clock. A second is closed
once the watermark has passed its end; a call for a closed second is late: counted, and skipped. A call whose time is
far off its arrival at the broker has a suspect clock: it never moves the watermark, and it is counted in the second of
its arrival, as is everything that is not about when calls happened: who has lost records, and whose clock is off.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.call_facts import NOTHING, add_rows, tally_call, tally_skew
from tokentrail.processors.extras import EXTRAS, Extra
from tokentrail.processors.producer_links import LinkTally
from tokentrail.processors.tally_plan import TallyPlan
from tokentrail.processors.views import compile_key
from tokentrail.schemas.decoding import Rejected, decode_event
from tokentrail.schemas.events import CallCompleted, CallStarted, Event, ProducerStats, Watermark
from tokentrail.schemas.slices import Row, Slice

MAX_AHEAD_S: Final = 300
"""An event may be this much ahead of its arrival: clocks drift by seconds, not by more."""
MAX_BEHIND_S: Final = 7 * 86_400
"""An event may be this much behind its arrival: a spool that was offline for a week is still live data."""
SKEWED_S: Final = 300
"""So far off its arrival a call counts as `clock_skewed`: a wrong clock, or a delivery that was held up."""
LINKS: Final = "links"


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


class _Tallying:
    """A tally plan made ready."""

    def __init__(self, plan: TallyPlan) -> None:
        self.views = plan.views
        self.keys = [compile_key(view) for view in plan.views]
        self.skewed = [index for index, wanted in enumerate(plan.skewed) if wanted]
        self.extras = [[(name, EXTRAS[name]) for name in extras] for extras in plan.extras]
        self.link_views = [index for index, extras in enumerate(plan.extras) if LINKS in extras]


class _Second:
    """What is known of a second that is still open."""

    __slots__ = ("events", "links", "members", "rows", "tallying")

    def __init__(self, tallying: _Tallying) -> None:
        self.tallying = tallying
        self.rows: list[Row] = []
        self.events: list[CallCompleted | CallStarted] = []
        self.members: list[dict[str, list[int]]] = [{} for _ in tallying.keys]
        """For each view: entity → its rows."""
        self.links: dict[str, LinkTally] = {}


class PartitionSlicer:
    """Slices one source partition. Feed it every record in offset order; not thread-safe."""

    def __init__(
        self, partition: int, plan: TallyPlan, allowed_lateness_ms: int, cost: CostMeter | None = None
    ) -> None:
        self.partition = partition
        self.counts = SlicerCounts()
        self.closed_through: int | None = None
        """Last second handed out by `close`; None before the first."""
        self._lateness_s = allowed_lateness_ms / 1000
        self._watermark_s = float("-inf")
        self._cost = cost
        self._open: dict[int, _Second] = {}
        self.follow(plan)

    def follow(self, plan: TallyPlan) -> None:
        """Tally by another plan from the next second that opens on; what is open keeps the views that stay."""
        self.plan = plan
        self._meter = self._cost if plan.priced else None
        self._tallying = _Tallying(plan)

    def add(self, batch: RecordBatch) -> BatchOutcome:
        """Tally a batch of records. CPU only; never raises on bad data."""
        payloads = batch.payloads
        events = [decode_event(payload) for payload in payloads]
        hashes: Sequence[str] = ()
        if self._tallying.link_views:
            hashes = [sha256(payload or b"").hexdigest() for payload in payloads]
        return self._take(batch.offsets, batch.timestamps_ms, events, hashes, payloads)

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
        for second in sorted(second for second in self._open if second <= through):
            self._freeze(second, self._open.pop(second), rows, slices)
        return ClosedSlices(self.partition, through, rows, slices)

    def _take(
        self,
        offsets: Sequence[int],
        timestamps_ms: Sequence[int],
        events: Sequence[Event | Rejected],
        hashes: Sequence[str],
        payloads: Sequence[bytes | None] | None,
    ) -> BatchOutcome:
        rejections: list[Rejection] = []
        newest = -1
        counts, links = self.counts, bool(self._tallying.link_views)
        for index, (event, timestamp_ms) in enumerate(zip(events, timestamps_ms, strict=True)):
            kind = type(event)
            if kind is Rejected:
                rejections.append(Rejection(offsets[index], payloads[index] if payloads else None, event))  # type: ignore[arg-type]  # `kind` says so
                continue
            if kind is Watermark:
                self._raise_watermark(event.watermark.timestamp(), timestamp_ms)  # type: ignore[union-attr]  # as above
                continue
            arrival = timestamp_ms // 1000
            if links:
                self._link(event, arrival, hashes[index])  # type: ignore[arg-type]  # as above
                newest = max(newest, arrival)
            time_s = event.occurred_at.timestamp()  # type: ignore[union-attr]  # as above
            behind_s = timestamp_ms / 1000 - time_s
            if not -SKEWED_S <= behind_s <= SKEWED_S and kind is not ProducerStats:
                newest = max(newest, self._count_skew(event, arrival))  # type: ignore[arg-type]  # as above
            if not -MAX_AHEAD_S <= behind_s <= MAX_BEHIND_S:
                counts.clock_suspect += 1
                continue
            if kind is CallCompleted:
                second = int(time_s)
                if second + 1 <= self._watermark_s:
                    counts.late += 1
                else:
                    self._tally(event, second)  # type: ignore[arg-type]  # as above
                    newest = max(newest, second)
            # Never ahead of the broker's clock: a fast clock would make everybody else in the partition late.
            watermark_s = (time_s if behind_s > 0 else timestamp_ms / 1000) - self._lateness_s
            self._watermark_s = max(self._watermark_s, watermark_s)
        counts.records += len(events)
        counts.rejected += len(rejections)
        return BatchOutcome(newest if newest >= 0 else None, rejections)

    def _at(self, second: int) -> _Second:
        found = self._open.get(second)
        if found is None:
            found = self._open[second] = _Second(self._tallying)
        return found

    def _tally(self, call: CallCompleted, second: int) -> None:
        at = self._open.get(second) or self._at(second)
        number = len(at.rows)
        at.rows.append(tally_call(call, self._meter))
        at.events.append(call)
        self.counts.calls += 1
        for members, key_of in zip(at.members, at.tallying.keys, strict=True):
            key = key_of(call)
            if key:
                found = members.get(key)
                if found is None:
                    members[key] = [number]
                else:
                    found.append(number)

    def _count_skew(self, event: CallCompleted | CallStarted, arrival: int) -> int:
        """Count a call of suspect time in the second of its arrival; returns that, or -1 where no rule asks."""
        if not self._tallying.skewed:
            return -1
        at = self._at(arrival)
        number = len(at.rows)
        at.rows.append(tally_skew(event))
        at.events.append(event)
        for index in at.tallying.skewed:
            key = at.tallying.keys[index](event)  # type: ignore[arg-type]  # the rule check allows only fields that both kinds have
            if key:
                at.members[index].setdefault(key, []).append(number)
        return arrival

    def _link(self, event: CallCompleted | CallStarted | ProducerStats, arrival: int, digest: str) -> None:
        links = self._at(arrival).links
        tally = links.get(event.producer_id)
        if tally is None:
            tally = links[event.producer_id] = LinkTally()
        tally.add(event, digest)

    def _raise_watermark(self, time_s: float, timestamp_ms: int) -> None:
        if time_s > timestamp_ms / 1000 + MAX_AHEAD_S:
            self.counts.clock_suspect += 1
        else:
            self._watermark_s = max(self._watermark_s, min(time_s, timestamp_ms / 1000))

    def _freeze(self, second: int, at: _Second, rows: list[Row], slices: list[Slice]) -> None:
        """Append what a second has become: the rows of its calls, then those of entities with several calls."""
        first = len(rows)
        rows.extend(at.rows)
        for index in at.tallying.link_views if at.links else ():
            for producer in at.links:
                at.members[index].setdefault(producer, [])
        for view, members in self._members_by_view(at):
            extras = self._tallying.extras[view]
            for entity, numbers in members.items():
                if len(numbers) == 1:
                    row = first + numbers[0]
                else:
                    row = len(rows)
                    rows.append(add_rows([at.rows[number] for number in numbers]) if numbers else NOTHING)
                carried = tuple(_carry(name, extra, entity, numbers, at) for name, extra in extras) if extras else None
                slices.append(Slice(second, view, entity, row, carried))

    def _members_by_view(self, at: _Second) -> Iterator[tuple[int, dict[str, list[int]]]]:
        """Yield the entities of a second under the numbers that its views have now."""
        if at.tallying is self._tallying:
            yield from enumerate(at.members)
            return
        numbers = {view: number for number, view in enumerate(self._tallying.views)}
        for view, members in zip(at.tallying.views, at.members, strict=True):
            if view in numbers:
                yield numbers[view], members


def _carry(name: str, extra: Extra, entity: str, numbers: list[int], at: _Second) -> Any:
    if name == LINKS:
        tally = at.links.get(entity)
        return None if tally is None else tally.freeze()
    values = [extra.of_call(event) for event in map(at.events.__getitem__, numbers) if type(event) is CallCompleted]
    values = [value for value in values if value is not None]
    return extra.merge(values) if values else None
