"""The leaf: what a checkpoint signs of one record of the log. Pure."""

from collections.abc import Sequence
from hashlib import sha256
from struct import Struct
from typing import Final

_PLACE: Final = Struct(">IQq")
LEAF_INPUT_BYTES: Final = _PLACE.size + 64
"""84, always: a tree's nodes hash 65 bytes, so that nobody can pass one off as the other."""


def leaf_hash(partition: int, offset: int, appended_ms: int, payload_sha256: bytes, stored_sha256: bytes) -> bytes:
    """Return SHA-256(u32 partition ‖ u64 offset ‖ i64 appended_ms ‖ payload_sha256 ‖ stored_sha256), big-endian.

    `payload_sha256` is that of the bytes that Kafka gave, `stored_sha256` that of the bytes that stand in the table:
    the same unless personal fields of the record were sealed.
    """
    return sha256(_PLACE.pack(partition, offset, appended_ms) + payload_sha256 + stored_sha256).digest()


def leaf_hashes(
    partition: int,
    offsets: Sequence[int],
    appended_ms: Sequence[int],
    payload_sha256: Sequence[bytes],
    stored_sha256: Sequence[bytes],
) -> list[bytes]:
    """Return the leaves of several records of one partition; about 1 µs each."""
    pack = _PLACE.pack
    return [
        sha256(pack(partition, offset, moment) + original + stored).digest()
        for offset, moment, original, stored in zip(offsets, appended_ms, payload_sha256, stored_sha256, strict=True)
    ]
