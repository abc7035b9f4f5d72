"""Slicing: one source partition's calls become closed one-second tallies per entity. Pure; its only clock is the log's.

Lateness is decided by the log alone. The watermark of a partition is the newest event time seen minus the allowed
lateness, or what a watermark record says, whichever is later, but never ahead of the broker's clock. A second is closed
once the watermark has passed its end; a call for a closed second is late: counted, and skipped. A call whose time is
far off its arrival at the broker has a suspect clock: counted, skipped, and it never moves the watermark.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from tokentrail.processors.groupings import KeyOf, compile_key
from tokentrail.schemas.decoding import Rejected, decode_event
from tokentrail.schemas.events import CallCompleted, Status, Watermark
from tokentrail.schemas.slices import Slice

MAX_AHEAD_S: Final = 300
"""An event may be this much ahead of its arrival: clocks drift by seconds, not by more."""
MAX_BEHIND_S: Final = 7 * 86_400
"""An event may be this much behind its arrival: a spool that was offline for a week is still live data."""


_SUCCESS: Final = Status.SUCCESS.value


class RecordBatch(msgspec.Struct, frozen=True, gc=False):
    """Records of one partition in offset order, column by column. `timestamps_ms` are the broker's append times."""

    partition: int
    offsets: Sequence[int]
    timestamps_ms: Sequence[int]
    payloads: Sequence[bytes | None]


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
    slices: list[Slice]


class _Tally:
    __slots__ = (
        "calls",
        "errors",
        "failed_call_id",
        "input_tokens",
        "largest_call_id",
        "largest_call_tokens",
        "output_tokens",
    )

    def __init__(self) -> None:
        self.calls = 0
        self.errors = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.largest_call_id = ""
        self.largest_call_tokens = -1
        self.failed_call_id = ""


class PartitionSlicer:
    """Slices one source partition. Feed it every record in offset order; not thread-safe."""

    def __init__(self, partition: int, groupings: Sequence[str], allowed_lateness_ms: int) -> None:
        self.partition = partition
        self.counts = SlicerCounts()
        self.closed_through: int | None = None
        """Last second handed out by `close`; None before the first."""
        self._keys: list[tuple[int, KeyOf]] = [(index, compile_key(name)) for index, name in enumerate(groupings)]
        self._lateness_s = allowed_lateness_ms / 1000
        self._watermark_s = float("-inf")
        self._open: defaultdict[int, dict[tuple[int, str], _Tally]] = defaultdict(dict)

    def add(self, batch: RecordBatch) -> BatchOutcome:
        """Tally a batch. CPU only, about 5 µs a call; never raises on bad data."""
        rejections: list[Rejection] = []
        newest: int | None = None
        for offset, timestamp_ms, payload in zip(batch.offsets, batch.timestamps_ms, batch.payloads, strict=True):
            event = decode_event(payload)
            if type(event) is Rejected:
                rejections.append(Rejection(offset, payload, event))
                continue
            if type(event) is Watermark:
                self._raise_watermark(event.watermark.timestamp(), timestamp_ms)
                continue
            time_s = event.occurred_at.timestamp()  # type: ignore[union-attr]  # Rejected and Watermark are gone here
            arrived_s = timestamp_ms / 1000
            if not -MAX_AHEAD_S <= arrived_s - time_s <= MAX_BEHIND_S:
                self.counts.clock_suspect += 1
                continue
            if type(event) is CallCompleted:
                second = int(time_s)
                if second + 1 <= self._watermark_s:
                    self.counts.late += 1
                else:
                    self._tally(event, second)
                    if newest is None or second > newest:
                        newest = second
            # Never ahead of the broker's clock: a fast clock would make everybody else in the partition late.
            self._watermark_s = max(self._watermark_s, min(time_s, arrived_s) - self._lateness_s)
        self.counts.records += len(batch.payloads)
        self.counts.rejected += len(rejections)
        return BatchOutcome(newest, rejections)

    def close(self) -> ClosedSlices | None:
        """Hand out the seconds that the watermark has passed since the last call, sorted; None if there are none."""
        if self._watermark_s == float("-inf"):
            return None
        return self.close_through(int(self._watermark_s // 1) - 1)

    def close_through(self, through: int) -> ClosedSlices | None:
        """Hand out every second up to `through` that is not out yet: for the end of a log, where nothing follows."""
        if self.closed_through is not None and through <= self.closed_through:
            return None
        self.closed_through = through
        slices: list[Slice] = []
        for second in sorted(second for second in self._open if second <= through):
            tallies = self._open.pop(second)
            slices.extend(_freeze(second, *key, tallies[key]) for key in sorted(tallies))
        return ClosedSlices(self.partition, through, slices)

    def _tally(self, call: CallCompleted, second: int) -> None:
        tallies = self._open[second]
        usage = call.usage
        input_tokens = (usage.input_tokens or 0) if usage else 0
        output_tokens = (usage.output_tokens or 0) if usage else 0
        tokens = input_tokens + output_tokens
        failed = call.status != _SUCCESS
        self.counts.calls += 1
        for index, key_of in self._keys:
            key = key_of(call)
            if not key:
                continue
            tally = tallies.get((index, key))
            if tally is None:
                tally = tallies[index, key] = _Tally()
            tally.calls += 1
            tally.input_tokens += input_tokens
            tally.output_tokens += output_tokens
            if tokens > tally.largest_call_tokens:
                tally.largest_call_tokens = tokens
                tally.largest_call_id = call.call_id
            if failed:
                tally.errors += 1
                tally.failed_call_id = tally.failed_call_id or call.call_id

    def _raise_watermark(self, time_s: float, timestamp_ms: int) -> None:
        if time_s > timestamp_ms / 1000 + MAX_AHEAD_S:
            self.counts.clock_suspect += 1
        else:
            self._watermark_s = max(self._watermark_s, min(time_s, timestamp_ms / 1000))


def _freeze(second: int, grouping: int, entity: str, tally: _Tally) -> Slice:
    return Slice(
        second,
        grouping,
        entity,
        (tally.calls, tally.errors, tally.input_tokens, tally.output_tokens),
        tally.largest_call_id,
        max(tally.largest_call_tokens, 0),
        tally.failed_call_id,
    )
