"""Checkpoints: what was in the log at a moment, signed and chained to the checkpoint before. Pure.

A body is JSON and is signed as it stands, byte for byte; docs/verify.md describes it for others to check.
"""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

from tokentrail.sinks.integrity.signing_keys import SigningKey

CHECKPOINT: Final = "tokentrail.checkpoint"
SCHEMA_VERSION: Final = "1.0"
GENESIS: Final = "0" * 64
"""`previous_sha256` of the first checkpoint."""
_SIGNED_PREFIX: Final = b"tokentrail checkpoint v1\n"
"""Keeps a signature from being one of anything else that the same key may sign."""


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """The records of one partition since the checkpoint before: `first_offset` <= offset < `next_offset`."""

    partition: int
    first_offset: int
    next_offset: int
    records: int
    """Less than the offsets in between where Kafka itself has gaps."""
    last_appended_ms: int
    """The broker's clock at the last record; of an empty range, 0."""
    root: str
    """Of the Merkle tree over the records' leaves."""
    heads_sha256: str
    """Over the last event of every producer that wrote in the range; `Heads` says how."""
    rates_sha256: str
    """Over the rates that were applied; `AppliedRates` says how."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=CHECKPOINT):
    """What is signed. `number` counts from 1."""

    schema_version: str = SCHEMA_VERSION
    topic: str
    number: int
    previous_sha256: str
    """Of the body of the checkpoint before."""
    made_at: datetime
    key_id: str
    ranges: list[Range]
    """In order of partition; every partition that the log has or had, empty ranges too."""


class SignedCheckpoint(msgspec.Struct, frozen=True):
    """A body as it was signed, and its signature."""

    body: bytes
    signature: bytes

    @property
    def sha256(self) -> str:
        """What the next checkpoint carries."""
        return sha256(self.body).hexdigest()

    @property
    def signed(self) -> bytes:
        """The message of the signature."""
        return _SIGNED_PREFIX + self.body

    def read(self) -> Checkpoint | None:
        """Return the content; None where it is no checkpoint that this version knows."""
        try:
            content = _decode(self.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return content if content.schema_version.startswith("1.") else None


class _Line(msgspec.Struct, frozen=True, tag_field="type", tag=f"{CHECKPOINT}.signed"):
    """A signed checkpoint as a line of a file, and as a record of the alert topic."""

    body: str
    signature: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Checkpoint).decode
_decode_line = msgspec.json.Decoder(_Line).decode


def sign_checkpoint(content: Checkpoint, key: SigningKey) -> SignedCheckpoint:
    """Encode and sign."""
    unsigned = SignedCheckpoint(_encode(content), b"")
    return SignedCheckpoint(unsigned.body, key.sign(unsigned.signed))


def encode_line(checkpoint: SignedCheckpoint) -> bytes:
    """Return a signed checkpoint as one line of JSON, without its end."""
    return _encode(_Line(checkpoint.body.decode(), checkpoint.signature.hex()))


def decode_line(line: bytes) -> SignedCheckpoint | None:
    """Return what `encode_line` wrote; None where it is something else."""
    try:
        read = _decode_line(line)
        return SignedCheckpoint(read.body.encode(), bytes.fromhex(read.signature))
    except (msgspec.MsgspecError, UnicodeError, ValueError):
        return None


def next_offsets(ranges: list[Range]) -> Mapping[int, int]:
    """Return by partition where the checkpoint after these ranges begins."""
    return {one.partition: one.next_offset for one in ranges}
