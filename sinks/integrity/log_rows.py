"""Rows of event_log as they are checked and signed. No I/O."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Annotated, Final

import msgspec
import pyarrow as pa
from msgspec import Meta

from tokentrail.schemas.events import WATERMARK

COLUMNS: Final = (
    "kafka_offset", "appended_at", "occurred_at", "event_type", "rejection", "rate_id", "payload", "payload_sha256",
    "seal",
)  # fmt: skip

CLEANED: Final = "cleaned"
"""The seal of a row that was archived in clear, and erased later on."""


class LogRows(msgspec.Struct, frozen=True):
    """Rows of one partition in order of offset; `offsets` may hold one twice."""

    partition: int
    offsets: list[int]
    appended_ms: list[int]
    rate_ids: list[int]
    payloads: list[bytes]
    payload_sha256: list[bytes]
    """As stored."""
    stored_sha256: list[bytes]
    """Of the payloads as they were stored first, taken by us; of `cleaned` ones it is what is said of them."""
    sealed: list[bool]
    """Whether personal values were taken out of the payload: its hash is another one then."""
    cleaned: list[bytes]
    """The hash of what stands here where that was done after it was stored; empty elsewhere."""
    table: pa.Table | None
    """The same rows, with the columns that were derived from the payload; None where there are none of these."""

    def __len__(self) -> int:
        return len(self.offsets)

    def slice(self, begin: int, end: int) -> "LogRows":
        """Return the rows at these positions, the end not included."""
        return LogRows(
            partition=self.partition,
            offsets=self.offsets[begin:end],
            appended_ms=self.appended_ms[begin:end],
            rate_ids=self.rate_ids[begin:end],
            payloads=self.payloads[begin:end],
            payload_sha256=self.payload_sha256[begin:end],
            stored_sha256=self.stored_sha256[begin:end],
            sealed=self.sealed[begin:end],
            cleaned=self.cleaned[begin:end],
            table=None if self.table is None else self.table.slice(begin, end - begin),
        )

    def take(self, places: Sequence[int]) -> "LogRows":
        """Return the rows at these positions."""
        return LogRows(
            partition=self.partition,
            offsets=[self.offsets[at] for at in places],
            appended_ms=[self.appended_ms[at] for at in places],
            rate_ids=[self.rate_ids[at] for at in places],
            payloads=[self.payloads[at] for at in places],
            payload_sha256=[self.payload_sha256[at] for at in places],
            stored_sha256=[self.stored_sha256[at] for at in places],
            sealed=[self.sealed[at] for at in places],
            cleaned=[self.cleaned[at] for at in places],
            table=None if self.table is None else self.table.take(pa.array(places, pa.int64())),
        )


def read_rows(partition: int, table: pa.Table) -> LogRows:
    """Take rows out of an Arrow table that has `COLUMNS`; payloads are hashed here, about 1.5 µs each."""
    payloads = table["payload"].to_pylist()
    seals = texts_of(table["seal"])
    claimed = table["payload_sha256"].to_pylist()
    stored, cleaned = split_cleaned(payloads, claimed, [seal == CLEANED for seal in seals])
    return LogRows(
        partition=partition,
        offsets=numbers_of(table["kafka_offset"]),
        appended_ms=numbers_of(table["appended_at"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64())),
        rate_ids=numbers_of(table["rate_id"]),
        payloads=payloads,
        payload_sha256=claimed,
        stored_sha256=stored,
        sealed=[bool(seal) for seal in seals],
        cleaned=cleaned,
        table=table,
    )


def numbers_of(column: pa.ChunkedArray) -> list[int]:
    """Return a column of whole numbers without nulls."""
    numbers: list[int] = column.to_numpy().tolist()
    return numbers


def texts_of(column: pa.ChunkedArray) -> list[str]:
    """Return a column of few different texts, whether the engine gave text, bytes or a dictionary."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    texts: list[str] = []
    for chunk in column.chunks:
        names = chunk.dictionary.cast(pa.binary()).to_pylist()
        known = [name.decode(errors="replace") for name in names]
        texts += [known[at] for at in chunk.indices.to_numpy(zero_copy_only=False).tolist()]
    return texts


def split_cleaned(
    payloads: list[bytes], payload_sha256: list[bytes], is_cleaned: list[bool]
) -> tuple[list[bytes], list[bytes]]:
    """Return `stored_sha256` and `cleaned` of rows.

    What was signed of a cleaned row is its payload as it came, and nobody has that any more: its leaf is made of the
    hash that stands beside it, and what stands there now is a receipt's to vouch for.
    """
    found = [sha256(payload).digest() for payload in payloads]
    if not any(is_cleaned):
        return found, [b""] * len(found)
    stored = [claim if is_ else own for own, claim, is_ in zip(found, payload_sha256, is_cleaned, strict=True)]
    return stored, [own if is_ else b"" for own, is_ in zip(found, is_cleaned, strict=True)]


class Link(msgspec.Struct, frozen=True, gc=False):
    """What a payload says of its place in its producer's chain, and of its call."""

    producer_id: str
    producer_seq: Annotated[int, Meta(ge=1, le=2**53)]
    prev_hash: str
    event_id: str = ""
    type: str = ""
    call_id: str = ""


_decode: Callable[[bytes], Link] = msgspec.json.Decoder(Link).decode


def read_link(payload: bytes) -> Link | None:
    """Return the link of a payload, None where it is none: a watermark, or what cannot be read. About 1 µs."""
    try:
        link = _decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return None if link.type == WATERMARK else link
