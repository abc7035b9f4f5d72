"""Blocks: stretches of contiguous offsets on their way into event_log, built column by column. No I/O."""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from tokentrail.processors.pricing import PriceBook, Rates
from tokentrail.processors.sealing import subject_of
from tokentrail.processors.slicing import MAX_AHEAD_S, MAX_BEHIND_S
from tokentrail.schemas.decoding import Rejected, decode_event
from tokentrail.schemas.events import COMPLETED, STARTED, STATS, WATERMARK, CallCompleted, ProducerStats, Watermark

CLOCK_AHEAD_MS: Final = MAX_AHEAD_S * 1000
CLOCK_BEHIND_MS: Final = MAX_BEHIND_S * 1000
"""An event further than this from its append time has a suspect clock; it is priced at its append time."""

MAX_ROWS: Final = 100_000
MAX_BYTES: Final = 128 * 1_048_576
"""Of a block, where records wait; the engine takes half as much again for each record in blocks a third as large."""

SCHEMA: Final = pa.schema(
    [
        ("kafka_partition", pa.uint32()),
        ("kafka_offset", pa.uint64()),
        ("appended_at", pa.timestamp("ms", "UTC")),
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("event_type", pa.string()),
        ("rejection", pa.string()),
        ("rate_id", pa.uint64()),
        ("payload", pa.binary()),
        ("payload_sha256", pa.binary(32)),
        ("subject", pa.string()),
    ]
)
"""Of event_log's columns; and whose event it is, which is not stored."""
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
# What DateTime64 can hold and every reader can show; the payload keeps what the event really says.
EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2261, 1, 1, tzinfo=UTC)


class Record(Protocol):
    """What is taken of a Kafka record; `timestamp` is the broker's append time in ms."""

    @property
    def offset(self) -> int:
        """Position in its partition."""
        ...

    @property
    def timestamp(self) -> int:
        """Append time in ms."""
        ...

    @property
    def value(self) -> bytes | None:
        """The event's bytes; None in a tombstone."""
        ...


class Chunk(msgspec.Struct, frozen=True):
    """Rows of one Kafka partition and one month, in order of offset."""

    partition: int
    last_offset: int
    month: tuple[int, int]
    rows: pa.RecordBatch
    size_bytes: int
    rates: dict[int, Rates]


class Block(msgspec.Struct, frozen=True):
    """One insert: rows of one month, for each partition without a gap from `first` on to its last offset."""

    table: pa.Table
    last_offsets: dict[int, int]
    rates: dict[int, Rates]

    @property
    def completed_calls(self) -> int:
        """How many rows of `calls` come of it."""
        return pc.sum(pc.equal(self.table["event_type"], COMPLETED), min_count=0).as_py()  # type: ignore[no-any-return]  # pyarrow has no types

    def without(self, stored: Mapping[int, int]) -> "Block":
        """Return what lies behind the stored last offset of each partition."""
        stale = pa.repeat(False, self.table.num_rows)  # noqa: FBT003  # the value to repeat
        for partition, last in stored.items():
            same = pc.equal(self.table["kafka_partition"], partition)
            stale = pc.or_(stale, pc.and_(same, pc.less_equal(self.table["kafka_offset"], last)))
        kept = self.table.filter(pc.invert(stale)).combine_chunks()
        return msgspec.structs.replace(self, table=kept)


def read_chunks(partition: int, records: Sequence[Record], prices: PriceBook) -> list[Chunk]:
    """Decode, hash and price records of one partition, at least one; one chunk, more where the month turns."""
    runs: list[list[Record]] = []
    begin_ms = end_ms = 0
    for record in records:
        if not begin_ms <= record.timestamp < end_ms:
            begin_ms, end_ms = _month_bounds_ms(record.timestamp)
            runs.append([])
        runs[-1].append(record)
    return [_chunk(partition, run, prices) for run in runs]


def _chunk(partition: int, records: Sequence[Record], prices: PriceBook) -> Chunk:
    payloads = [record.value or b"" for record in records]
    stamps, subjects, rates = _read_events(records, payloads, prices)
    columns = [
        [partition] * len(records),
        [record.offset for record in records],
        [record.timestamp for record in records],
        *zip(*stamps, strict=True),
        payloads,
        [sha256(payload).digest() for payload in payloads],
        subjects,
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return Chunk(
        partition=partition,
        last_offset=records[-1].offset,
        month=_month(records[-1].timestamp),
        rows=pa.RecordBatch.from_arrays(arrays, schema=SCHEMA),
        size_bytes=sum(map(len, payloads)),
        rates=rates,
    )


_Stamp = tuple[datetime, str, str, int]
"""occurred_at, event_type, rejection, rate_id."""


def _read_events(
    records: Sequence[Record], payloads: list[bytes], prices: PriceBook
) -> tuple[list[_Stamp], list[str], dict[int, Rates]]:
    stamps: list[_Stamp] = []
    subjects: list[str] = []
    rates: dict[int, Rates] = {}
    for record, payload in zip(records, payloads, strict=True):
        event = decode_event(payload)
        subjects.append(subject_of(event))
        if type(event) is CallCompleted:
            found = prices.rates_for(event, _priced_at(event.occurred_at, record.timestamp))
            rate_id = 0
            if found is not None:
                rate_id = found.rate_id
                rates[rate_id] = found
            stamps.append((storable(event.occurred_at), COMPLETED, "", rate_id))
        elif isinstance(event, Rejected):
            stamps.append((_EPOCH, "", event.reason.value, 0))
        elif isinstance(event, Watermark):
            stamps.append((storable(event.watermark), WATERMARK, "", 0))
        elif isinstance(event, ProducerStats):
            stamps.append((storable(event.occurred_at), STATS, "", 0))
        else:
            stamps.append((storable(event.occurred_at), STARTED, "", 0))
    return stamps, subjects, rates


def storable(moment: datetime) -> datetime:
    """Return the moment as `event_log.occurred_at` holds it: within what DateTime64 can."""
    return moment if EARLIEST <= moment <= LATEST else (EARLIEST if moment < EARLIEST else LATEST)


def _priced_at(occurred_at: datetime, appended_ms: int) -> datetime:
    ahead_ms = occurred_at.timestamp() * 1000 - appended_ms
    if -CLOCK_BEHIND_MS <= ahead_ms <= CLOCK_AHEAD_MS:
        return occurred_at if occurred_at.tzinfo is UTC else occurred_at.astimezone(UTC)
    return datetime.fromtimestamp(appended_ms / 1000, UTC)


def _month(appended_ms: int) -> tuple[int, int]:
    moment = datetime.fromtimestamp(appended_ms / 1000, UTC)
    return moment.year, moment.month


def _month_bounds_ms(appended_ms: int) -> tuple[int, int]:
    year, month = _month(appended_ms)
    begin, end = datetime(year, month, 1, tzinfo=UTC), datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return int(begin.timestamp() * 1000), int(end.timestamp() * 1000)


class Backlog:
    """Chunks waiting to be written, oldest first."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[float, Chunk]] = deque()
        self.rows = 0
        self.size_bytes = 0

    def add(self, chunk: Chunk, now_s: float) -> None:
        """Append a chunk that was read at `now_s`."""
        self._chunks.append((now_s, chunk))
        self.rows += chunk.rows.num_rows
        self.size_bytes += chunk.size_bytes

    def age_s(self, now_s: float) -> float:
        """Return how long the oldest row has waited."""
        return now_s - self._chunks[0][0] if self._chunks else 0.0

    def drop(self, partitions: set[int]) -> None:
        """Forget the rows of partitions that are somebody else's now."""
        kept = [(since, chunk) for since, chunk in self._chunks if chunk.partition not in partitions]
        self._chunks.clear()
        self.rows = self.size_bytes = 0
        for since, chunk in kept:
            self.add(chunk, since)

    def take_block(self) -> Block:
        """Cut the next block: as many of the oldest chunks as fit, at least one, all of the first one's month."""
        taken: list[Chunk] = []
        rows = size_bytes = 0
        while self._chunks:
            chunk = self._chunks[0][1]
            rows += chunk.rows.num_rows
            size_bytes += chunk.size_bytes
            if taken and (rows > MAX_ROWS or size_bytes > MAX_BYTES or chunk.month != taken[0].month):
                break
            taken.append(chunk)
            self._chunks.popleft()
            self.rows -= chunk.rows.num_rows
            self.size_bytes -= chunk.size_bytes
        rates: dict[int, Rates] = {}
        for chunk in taken:
            rates.update(chunk.rates)
        return Block(
            table=pa.Table.from_batches([chunk.rows for chunk in taken], SCHEMA).combine_chunks(),
            last_offsets={chunk.partition: chunk.last_offset for chunk in taken},
            rates=rates,
        )
