"""Rows of event_log as they are checked and signed. No I/O."""

from collections.abc import Callable
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

# As text, or as bytes where a table was read without making text of them.
_CLEANED: Final = (CLEANED, CLEANED.encode())


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


def read_rows(partition: int, table: pa.Table) -> LogRows:
    """Take rows out of an Arrow table that has `COLUMNS`; payloads are hashed here, about 1.5 µs each."""
    payloads = table["payload"].to_pylist()
    seals = table["seal"].to_pylist()
    claimed = table["payload_sha256"].to_pylist()
    stored, cleaned = split_cleaned(payloads, claimed, [seal in _CLEANED for seal in seals])
    return LogRows(
        partition=partition,
        offsets=table["kafka_offset"].to_pylist(),
        appended_ms=table["appended_at"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_pylist(),
        rate_ids=table["rate_id"].to_pylist(),
        payloads=payloads,
        payload_sha256=claimed,
        stored_sha256=stored,
        sealed=[bool(seal) for seal in seals],
        cleaned=cleaned,
        table=table,
    )


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
