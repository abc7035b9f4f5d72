"""What a checkpoint says of a range of offsets, added up row by row: by who signs, and again by who verifies. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from struct import Struct
from typing import Any, Final

import numpy as np

from tokentrail.sinks.integrity.checkpoint import Range
from tokentrail.sinks.integrity.leaf import leaf_hashes
from tokentrail.sinks.integrity.log_rows import LogRows
from tokentrail.sinks.integrity.merkle_tree import MerkleTree
from tokentrail.sinks.integrity.producer_events import ProducerEvents

_U32: Final = Struct(">I")
_U64: Final = Struct(">Q")
RateContents = Mapping[int, bytes]
"""Rows of `model_rates` by id, as `rate_content` writes them."""


def rate_content(row: Mapping[str, Any]) -> bytes:
    """Write the rates of a row: JSON with sorted names and without nulls; amounts as text, without zeros at their end.

    `rate_id` itself is left out: it names the content.
    """
    content = {name: _plain(value) for name, value in row.items() if name != "rate_id" and value is not None}
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(amount) for name, amount in value.items()}
    if not isinstance(value, Decimal):
        return value
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class Heads:
    """The last event of each producer."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, bytes]] = {}

    def extend(self, producers: Iterable[ProducerEvents], payload_sha256: Sequence[bytes]) -> None:
        """Take in a batch's events and its hashes; of two with one number, the later counts."""
        for one in producers:
            highest = max(one.numbers)
            last = self._last.get(one.producer_id)
            if last is None or highest >= last[0]:
                latest = len(one.numbers) - 1 - one.numbers[::-1].index(highest)
                self._last[one.producer_id] = (highest, payload_sha256[one.places[latest]])

    def digest(self) -> bytes:
        """Return SHA-256 over u32 length ‖ producer_id ‖ u64 number ‖ payload_sha256 of each, by id's bytes."""
        entries = sorted((name.encode(), seq, digest) for name, (seq, digest) in self._last.items())
        return sha256(
            b"".join(_U32.pack(len(name)) + name + _U64.pack(seq) + digest for name, seq, digest in entries)
        ).digest()


class AppliedRates:
    """Which rates each record was priced with, and what these rates were."""

    __slots__ = ("_contents", "_digest", "_seen")

    def __init__(self, contents: RateContents) -> None:
        self._contents = contents
        self._digest = sha256()
        self._seen: set[int] = set()

    def add(self, rate_ids: Sequence[int]) -> None:
        """Take in the rates of records, in order."""
        self._digest.update(np.array(rate_ids, ">u8").tobytes())
        self._seen.update(rate_ids)

    def digest(self) -> bytes:
        """Return SHA-256 over u64 rate_id of each record, then u32 length ‖ content of each of these, ascending by id.

        0, which is no rate, has no content; what `model_rates` lacks counts as empty.
        """
        whole = self._digest.copy()
        for rate_id in sorted(self._seen - {0}):
            content = self._contents.get(rate_id, b"")
            whole.update(_U32.pack(len(content)) + content)
        return whole.digest()


class RangeTally:
    """A range of one partition that grows at its end."""

    def __init__(self, partition: int, first_offset: int, contents: RateContents) -> None:
        self.partition = partition
        self.first_offset = first_offset
        self.next_offset = first_offset
        self._last_appended_ms = 0
        self._tree = MerkleTree()
        self._heads = Heads()
        self._rates = AppliedRates(contents)

    @property
    def records(self) -> int:
        """How many were added."""
        return self._tree.size

    def add(self, rows: LogRows, producers: Iterable[ProducerEvents]) -> None:
        """Append rows, each offset once, and their events."""
        if not rows.offsets:
            return
        self._tree.extend(
            leaf_hashes(self.partition, rows.offsets, rows.appended_ms, rows.payload_sha256, rows.stored_sha256)
        )
        self._rates.add(rows.rate_ids)
        self._heads.extend(producers, rows.payload_sha256)
        self.next_offset = rows.offsets[-1] + 1
        self._last_appended_ms = rows.appended_ms[-1]

    def to_range(self) -> Range:
        """Return what a checkpoint says of it."""
        return Range(
            partition=self.partition,
            first_offset=self.first_offset,
            next_offset=self.next_offset,
            records=self.records,
            last_appended_ms=self._last_appended_ms,
            root=self._tree.root().hex(),
            heads_sha256=self._heads.digest().hex(),
            rates_sha256=self._rates.digest().hex(),
        )
