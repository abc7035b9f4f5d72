"""The records of `llm.dead-letters`: what could not be read, from where, and why."""

from base64 import b64encode
from typing import Final

import msgspec

from tokentrail.schemas.decoding import Rejected

SAMPLE_BYTES: Final = 65_536
"""How much of the refused record is kept; enough to see what it is, small enough to always fit a record."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One refused record. `topic`, `partition` and `offset` name it; `sample` is its beginning, base64."""

    schema_version: str = "1.0"
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    size_bytes: int
    sample: str


def describe_rejection(topic: str, partition: int, offset: int, payload: bytes | None, why: Rejected) -> DeadLetter:
    """Build the dead letter of a record."""
    value = payload or b""
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        reason=why.reason,
        detail=why.detail,
        size_bytes=len(value),
        sample=b64encode(value[:SAMPLE_BYTES]).decode(),
    )
