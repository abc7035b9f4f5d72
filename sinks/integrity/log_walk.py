"""Walks one partition of event_log against the checkpoints that signed it. Pure; rows come in batches."""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from tokentrail.sinks.integrity.checkpoint import Range
from tokentrail.sinks.integrity.found import Found, What
from tokentrail.sinks.integrity.log_events import LogEvents, read_log_events
from tokentrail.sinks.integrity.log_rows import Link, LogRows, texts_of
from tokentrail.sinks.integrity.producer_chains import Beginning, Head, ProducerChains
from tokentrail.sinks.integrity.producer_events import by_producer
from tokentrail.sinks.integrity.range_tally import RangeTally, RateContents

MAX_FOUND: Final = 1_000
"""Of one partition; what is more is counted."""
_MICROS: Final = pa.timestamp("us", "UTC")
ErasedRows = Mapping[int, Collection[bytes]]
"""By offset: SHA-256 of what may stand in place of an erased payload, as signed receipts say."""


class SignedRange(NamedTuple):
    """A range, and the number of the checkpoint that signed it."""

    number: int
    range: Range


class WalkReport(msgspec.Struct, frozen=True):
    """What a walk found."""

    partition: int
    records: int
    unsigned: int
    """Records behind the last checkpoint."""
    found: list[Found]
    untold: int
    """Findings beyond `MAX_FOUND`."""
    beginnings: list[Beginning]
    heads: dict[str, Head]


class LogWalk:
    """One partition; `add` gives back the events, for whoever checks what was made of them.

    Without `erased` receipts are not asked for: somebody else has done that.
    """

    def __init__(
        self,
        partition: int,
        ranges: Sequence[SignedRange],
        contents: RateContents,
        erased: ErasedRows | None = None,
        *,
        from_beginning: bool = True,
    ) -> None:
        self._partition = partition
        self._ranges = list(ranges)
        self._contents = contents
        self._erased = erased
        self._from_beginning = from_beginning
        self._chains = ProducerChains(partition)
        self._found: list[Found] = []
        self._untold = 0
        self._at = 0
        self._tally = self._begin_range()
        self._suspicions: list[Found] = []
        """Of the open range: true only where its signature does not hold."""
        self._holes: list[tuple[int, int]] = []
        self._lost_links = False
        """Whether a record of the open range that could not be read was emptied: its link is gone with it."""
        self._next = self._ranges[0].range.first_offset if self._ranges else None
        self._records = self._unsigned = 0

    def add(self, rows: LogRows) -> LogEvents:
        """Check the next rows, in order of offset; return their events, None for one that stands there again."""
        again = self._doubles(rows)
        events = read_log_events(rows.payloads)
        self._check_hashes(rows)
        self._check_derived(rows, events)
        places = [at for at in range(len(rows)) if at not in again] if again else []
        kept, kept_events = (rows.take(places), events.take(places)) if again else (rows, events)
        links = kept_events.links(kept.payloads)
        begin = 0
        while begin < len(kept):
            end = len(kept)
            if self._at < len(self._ranges):
                end = bisect_left(kept.offsets, self._ranges[self._at].range.next_offset)
            if end > begin:
                self._take(kept.slice(begin, end), links[begin:end])
            if end < len(kept) or self._is_complete():
                self._close_range(log_goes_on=end < len(kept))
            begin = end
        return events.without(again) if again else events

    def finish(self) -> WalkReport:
        """Say what the log lacks at its end, and what was found."""
        while self._at < len(self._ranges):
            self._close_range(log_goes_on=False)
        return WalkReport(
            partition=self._partition,
            records=self._records,
            unsigned=self._unsigned,
            found=self._found,
            untold=self._untold,
            beginnings=self._chains.beginnings if self._from_beginning else [],
            heads=self._chains.heads,
        )

    def tell(self, found: Sequence[Found]) -> None:
        """Add findings of others to the report."""
        room = max(0, MAX_FOUND - len(self._found))
        self._found += found[:room]
        self._untold += len(found[room:])

    def _is_complete(self) -> bool:
        return self._at < len(self._ranges) and self._next == self._ranges[self._at].range.next_offset

    def _begin_range(self) -> RangeTally | None:
        if self._at == len(self._ranges):
            return None
        return RangeTally(self._partition, self._ranges[self._at].range.first_offset, self._contents)

    def _doubles(self, rows: LogRows) -> set[int]:
        """Return the positions of rows whose offset was there already, or lies before where the walk is."""
        again: set[int] = set()
        newest = -1 if self._next is None else self._next - 1
        if len(set(rows.offsets)) == len(rows) and (not rows.offsets or rows.offsets[0] > newest):
            return again
        for at, offset in enumerate(rows.offsets):
            if offset > newest:
                newest = offset
                continue
            again.add(at)
            same = at and rows.offsets[at - 1] == offset and rows.stored_sha256[at - 1] == rows.stored_sha256[at]
            self._say(What.ADDED, offset, "stands there twice" + ("" if same else ", with other content"))
        return again

    def _check_hashes(self, rows: LogRows) -> None:
        if rows.stored_sha256 == rows.payload_sha256 and not any(rows.sealed):
            return
        for at, (stored, claimed) in enumerate(zip(rows.stored_sha256, rows.payload_sha256, strict=True)):
            if rows.cleaned[at]:
                if self._erased is not None and rows.cleaned[at] not in self._erased.get(rows.offsets[at], ()):
                    self._say(What.EDITED, rows.offsets[at], "seal says that it was erased; no signed receipt does")
            elif stored != claimed and not rows.sealed[at]:
                self._say(What.EDITED, rows.offsets[at], "payload is not what payload_sha256 was taken of")
            elif stored == claimed and rows.sealed[at]:
                self._say(What.EDITED, rows.offsets[at], "seal says that personal values were taken out; none were")

    def _check_derived(self, rows: LogRows, events: LogEvents) -> None:
        if rows.table is None:
            return
        occurred_us = rows.table["occurred_at"].cast(_MICROS).cast(pa.int64()).to_numpy()
        if not np.array_equal(occurred_us, events.occurred_us):
            moments = (pa.array(values).cast(_MICROS).to_pylist() for values in (occurred_us, events.occurred_us))
            self._tell_derived("occurred_at", rows, *moments)
        for name, expected in (("event_type", events.event_types), ("rejection", events.rejections)):
            stored = texts_of(rows.table[name])
            if stored != expected:
                self._tell_derived(name, rows, stored, expected)

    def _tell_derived(self, name: str, rows: LogRows, stored: Sequence[Any], expected: Sequence[Any]) -> None:
        for at, (is_, should) in enumerate(zip(stored, expected, strict=True)):
            # Why it could not be read is not to be seen any more.
            emptied = name == "rejection" and is_ and _is_emptied(rows, at)
            if is_ != should and not emptied:
                detail = f"{name} is {is_!s:.80}, its payload says {should!s:.80}"
                self._say(What.EDITED, rows.offsets[at], detail)

    def _take(self, rows: LogRows, links: Sequence[Link | None]) -> None:
        self._find_holes(rows.offsets)
        self._records += len(rows)
        producers = by_producer(links)
        if self._tally is None:
            self._unsigned += len(rows)
        else:
            self._tally.add(rows, producers)
            self._lost_links |= any(rows.cleaned) and any(_is_emptied(rows, at) for at in range(len(rows)))
        self._suspicions += self._chains.extend(rows.offsets, links, rows.payload_sha256, producers)
        if self._tally is None:
            self._settle(sound=False)

    def _find_holes(self, offsets: Sequence[int]) -> None:
        # Where the log itself begins later, nothing is known to be missing before.
        before = offsets[0] - 1 if self._next is None else self._next - 1
        self._next = offsets[-1] + 1
        if offsets[-1] - before == len(offsets):
            return
        for offset in offsets:
            if offset > before + 1:
                self._holes.append((before + 1, offset - 1))
            before = offset

    def _close_range(self, *, log_goes_on: bool) -> None:
        number, signed = self._ranges[self._at]
        tally = self._tally
        assert tally is not None  # noqa: S101  # there is a tally where there is a range
        has = tally.to_range()
        sound = has.root == signed.root and has.records == signed.records
        if not sound:
            self._tell_difference(number, signed, has, log_goes_on=log_goes_on)
        elif (
            has.heads_sha256 != signed.heads_sha256 and not self._lost_links
        ) or has.last_appended_ms != signed.last_appended_ms:
            detail = f"checkpoint {number} contradicts itself: its records fit, their heads or times do not"
            self._say(What.EDITED, signed.first_offset, detail, signed.next_offset - 1)
        if sound and has.rates_sha256 != signed.rates_sha256:
            detail = f"rate_id, or the rates of that id in model_rates, are not those that checkpoint {number} signed"
            self._say(What.EDITED, signed.first_offset, detail, signed.next_offset - 1)
        self._settle(sound=sound)
        self._at += 1
        self._next = signed.next_offset
        self._tally = self._begin_range()

    def _tell_difference(self, number: int, signed: Range, has: Range, *, log_goes_on: bool) -> None:
        if has.next_offset < signed.next_offset:
            detail = f"is missing, and checkpoint {number} signed it"
            what = What.DELETED if log_goes_on else What.CUT_OFF
            self._say(what, has.next_offset, detail, signed.next_offset - 1)
        elif signed.first_offset == signed.next_offset or has.records > signed.records:
            detail = f"{has.records} records, checkpoint {number} signed {signed.records}"
            self._say(What.ADDED, signed.first_offset, detail, signed.next_offset - 1)
        if has.records >= signed.records:
            detail = f"these are not the {signed.records} records that checkpoint {number} signed"
            self._say(What.EDITED, signed.first_offset, detail, signed.next_offset - 1)

    def _settle(self, *, sound: bool) -> None:
        """Tell what was suspected: as findings, or as notes where the signature says that Kafka gave it so."""
        if not sound:
            self.tell(
                [
                    Found(
                        what=What.DELETED,
                        where="event_log",
                        partition=self._partition,
                        offset=first,
                        last_offset=last,
                        detail="is missing",
                    )
                    for first, last in self._holes
                ]
            )
        self.tell([msgspec.structs.replace(one, note=one.note or sound) for one in self._suspicions])
        self._suspicions, self._holes, self._lost_links = [], [], False

    def _say(self, what: What, offset: int, detail: str, last_offset: int | None = None) -> None:
        self.tell(
            [
                Found(
                    what=what,
                    where="event_log",
                    partition=self._partition,
                    offset=offset,
                    last_offset=last_offset,
                    detail=detail,
                )
            ]
        )


def _is_emptied(rows: LogRows, at: int) -> bool:
    return bool(rows.cleaned[at]) and not rows.payloads[at]
