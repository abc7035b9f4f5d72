"""What the writer notices in the chains of producers while it writes: gaps, breaks, duplicates, lost calls. Pure.

A finding follows from the log alone, up to the record that made it certain. Reading the same stretch again gives the
same findings under the same ids.
"""

from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import msgspec
import pyarrow as pa

from tokentrail.processors.producer_links import GAP_SETTLES_S, LOST_AFTER_S
from tokentrail.processors.slicing import MAX_BEHIND_S
from tokentrail.schemas.events import COMPLETED, GENESIS_HASH, STARTED
from tokentrail.sinks.integrity.log_rows import Link, LogRows, read_link

MAX_OPEN_CALLS: Final = 50_000
"""Of one partition; calls begun beyond these are not waited for."""
REMEMBERED_EVENTS: Final = 20_000
"""Of one partition: an event that comes again after so many others is found by verification only."""
MAX_HOLES: Final = 100
"""Of one producer; with more, the oldest is a gap at once."""
FORGET_AFTER_MS: Final = MAX_BEHIND_S * 1000
"""A producer that was silent for longer than its spool keeps anything is forgotten."""


class Kind(StrEnum):
    """What was found."""

    GAP = "gap"
    CHAIN_BREAK = "chain_break"
    DUPLICATE_EVENT = "duplicate_event"
    DUPLICATE_NUMBER = "duplicate_number"
    LOST_CALL = "lost_call"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `ledger_findings`; `known_at_offset` is the record that made it certain."""

    kind: Kind
    kafka_partition: int
    kafka_offset: int
    known_at_offset: int
    known_at_ms: int
    producer_id: str
    first_seq: int
    last_seq: int
    event_id: str = ""
    call_id: str = ""
    detail: str

    @property
    def finding_id(self) -> str:
        """Names the finding by what was found."""
        named = (self.kind.value, self.kafka_partition, self.kafka_offset, self.producer_id, self.first_seq)
        return sha256(msgspec.json.encode(named)).hexdigest()[:32]


class _Hole(msgspec.Struct, array_like=True):
    first: int
    last: int
    offset: int
    since_ms: int


class _Producer(msgspec.Struct, array_like=True):
    seq: int
    last_hash: str
    seen_ms: int
    holes: list[_Hole] = []


class _OpenCall(msgspec.Struct, array_like=True):
    producer_id: str
    seq: int
    offset: int
    event_id: str
    began_ms: int


class ChainFollower(msgspec.Struct):
    """One partition; all of it can be kept and read back."""

    partition: int
    next_offset: int = 0
    clock_ms: int = 0
    """The broker's clock."""
    event_clock_ms: int = 0
    whole: bool = True
    """Nothing was forgotten, and the log began at its beginning: who comes with another number than 1 has a gap."""
    producers: dict[str, _Producer] = {}
    open_calls: dict[str, _OpenCall] = {}
    events: dict[int, None] = {}
    """Ids of events, by 8 bytes of their hash."""

    def add(self, rows: LogRows) -> list[Finding]:
        """Take in rows in order of offset, with their derived columns; return what became certain."""
        assert rows.table is not None  # noqa: S101  # the archive has them
        found: list[Finding] = []
        occurred_ms = rows.table["occurred_at"].cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64()).to_pylist()
        for at, offset in enumerate(rows.offsets):
            if offset < self.next_offset:
                continue
            if not self.clock_ms and offset > 0:
                self.whole = False
            self.next_offset = offset + 1
            self.clock_ms = max(self.clock_ms, rows.appended_ms[at])
            link = read_link(rows.payloads[at])
            if link is not None:
                self._follow(offset, link, rows.payload_sha256[at].hex(), found)
                # What a spool kept is told late: its end is behind it, and is waited for from here on.
                self._pair(offset, link, max(self.event_clock_ms, _believable(occurred_ms[at], rows.appended_ms[at])))
            self.event_clock_ms = max(self.event_clock_ms, _believable(occurred_ms[at], rows.appended_ms[at]))
            self._give_up(offset, found)
        if rows.offsets:
            self._settle(rows.offsets[-1], found)
        return found

    def _follow(self, offset: int, link: Link, sha256_hex: str, found: list[Finding]) -> None:
        if link.event_id and self._repeats(link):
            found.append(self._finding(Kind.DUPLICATE_EVENT, offset, offset, link, "the event came before"))
            return
        producer = self.producers.get(link.producer_id)
        if producer is None:
            self._meet(offset, link, sha256_hex, found)
            return
        producer.seen_ms = self.clock_ms
        seq = link.producer_seq
        if seq <= producer.seq:
            if not _fill(producer, seq):
                detail = "another event had this number before"
                found.append(self._finding(Kind.DUPLICATE_NUMBER, offset, offset, link, detail))
            return
        if seq > producer.seq + 1:
            producer.holes.append(_Hole(producer.seq + 1, seq - 1, offset, self.clock_ms))
        elif link.prev_hash != producer.last_hash:
            detail = f"prev_hash is not the hash of event {seq - 1}"
            found.append(self._finding(Kind.CHAIN_BREAK, offset, offset, link, detail))
        producer.seq, producer.last_hash = seq, sha256_hex

    def _meet(self, offset: int, link: Link, sha256_hex: str, found: list[Finding]) -> None:
        seq = link.producer_seq
        producer = self.producers[link.producer_id] = _Producer(seq, sha256_hex, self.clock_ms, [])
        if seq > 1 and self.whole:
            producer.holes.append(_Hole(1, seq - 1, offset, self.clock_ms))
        elif seq == 1 and link.prev_hash != GENESIS_HASH:
            found.append(self._finding(Kind.CHAIN_BREAK, offset, offset, link, "the first event names one before it"))

    def _repeats(self, link: Link) -> bool:
        name = int.from_bytes(sha256(link.event_id.encode()).digest()[:8], "big")
        if name in self.events:
            return True
        self.events[name] = None
        if len(self.events) > REMEMBERED_EVENTS:
            del self.events[next(iter(self.events))]
        return False

    def _pair(self, offset: int, link: Link, began_ms: int) -> None:
        if link.type == COMPLETED:
            self.open_calls.pop(link.call_id, None)
        elif link.type == STARTED and len(self.open_calls) < MAX_OPEN_CALLS:
            self.open_calls[link.call_id] = _OpenCall(
                link.producer_id, link.producer_seq, offset, link.event_id, began_ms
            )

    def _give_up(self, offset: int, found: list[Finding]) -> None:
        limit_ms = self.event_clock_ms - LOST_AFTER_S * 1000
        while self.open_calls:
            call_id = next(iter(self.open_calls))
            call = self.open_calls[call_id]
            if call.began_ms > limit_ms:
                return
            del self.open_calls[call_id]
            found.append(
                Finding(
                    kind=Kind.LOST_CALL,
                    kafka_partition=self.partition,
                    kafka_offset=call.offset,
                    known_at_offset=offset,
                    known_at_ms=self.clock_ms,
                    producer_id=call.producer_id,
                    first_seq=call.seq,
                    last_seq=call.seq,
                    event_id=call.event_id,
                    call_id=call_id,
                    detail=f"no end came within {LOST_AFTER_S} s of event time",
                )
            )

    def _settle(self, offset: int, found: list[Finding]) -> None:
        """Close holes that nobody filled in time, and forget who is long silent."""
        silent = []
        for name, producer in self.producers.items():
            while producer.holes and (
                len(producer.holes) > MAX_HOLES or producer.holes[0].since_ms + GAP_SETTLES_S * 1000 <= self.clock_ms
            ):
                found.append(self._gap(name, producer.holes.pop(0), offset))
            if not producer.holes and producer.seen_ms + FORGET_AFTER_MS < self.clock_ms:
                silent.append(name)
        for name in silent:
            del self.producers[name]
            self.whole = False

    def _gap(self, producer_id: str, hole: _Hole, offset: int) -> Finding:
        count = hole.last - hole.first + 1
        return Finding(
            kind=Kind.GAP,
            kafka_partition=self.partition,
            kafka_offset=hole.offset,
            known_at_offset=offset,
            known_at_ms=self.clock_ms,
            producer_id=producer_id,
            first_seq=hole.first,
            last_seq=hole.last,
            detail=f"{count} {'event is' if count == 1 else 'events are'} missing before it",
        )

    def _finding(self, kind: Kind, offset: int, known_at: int, link: Link, detail: str) -> Finding:
        return Finding(
            kind=kind,
            kafka_partition=self.partition,
            kafka_offset=offset,
            known_at_offset=known_at,
            known_at_ms=self.clock_ms,
            producer_id=link.producer_id,
            first_seq=link.producer_seq,
            last_seq=link.producer_seq,
            event_id=link.event_id,
            call_id=link.call_id,
            detail=detail,
        )


def save_follower(follower: ChainFollower) -> bytes:
    """Return what `load_follower` reads."""
    return _encode(follower)


def load_follower(state: bytes) -> ChainFollower | None:
    """Return a follower as it was saved; None where another version saved it, or it is damaged."""
    try:
        return _decode(state)
    except msgspec.MsgspecError:
        return None


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(ChainFollower).decode


def _fill(producer: _Producer, seq: int) -> bool:
    """Take a number that comes late out of its hole; False where there is none."""
    for at, hole in enumerate(producer.holes):
        if hole.first <= seq <= hole.last:
            rest = [
                _Hole(first, last, hole.offset, hole.since_ms)
                for first, last in ((hole.first, seq - 1), (seq + 1, hole.last))
                if first <= last
            ]
            producer.holes[at : at + 1] = rest
            return True
    return False


def _believable(occurred_ms: int, appended_ms: int) -> int:
    return occurred_ms if appended_ms - FORGET_AFTER_MS <= occurred_ms <= appended_ms else appended_ms


FINDING_SCHEMA: Final = pa.schema(
    [
        ("finding_id", pa.string()),
        ("kind", pa.string()),
        ("kafka_partition", pa.uint32()),
        ("kafka_offset", pa.uint64()),
        ("known_at_offset", pa.uint64()),
        ("known_at", pa.timestamp("ms", "UTC")),
        ("producer_id", pa.string()),
        ("first_seq", pa.uint64()),
        ("last_seq", pa.uint64()),
        ("event_id", pa.string()),
        ("call_id", pa.string()),
        ("detail", pa.string()),
    ]
)


def finding_table(found: Sequence[Finding]) -> pa.Table:
    """Return findings as rows of `ledger_findings`."""
    columns: dict[str, list[Any]] = {
        name: [getattr(one, "known_at_ms" if name == "known_at" else name) for one in found]
        for name in FINDING_SCHEMA.names
    }
    return pa.table(columns, FINDING_SCHEMA)
