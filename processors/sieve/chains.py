"""Chains ahead: whose chain of events is whole, so that nothing of it can be missing, broken or lost. Pure.

A chain is whole if all its events are in one partition, in the order of their numbers, each with the hash of the one
before it, and if each call that was begun ended soon. Anything else is left to `tokentrail.processors.producer_links`.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from tokentrail.processors.producer_links import LOST_AFTER_S
from tokentrail.schemas.decoding import Rejected
from tokentrail.schemas.events import CallCompleted, CallStarted, Event, Watermark

SOON_S: Final = LOST_AFTER_S - 10
NONE_OPEN: Final = 2**62
NOT_WHOLE: Final = -1
_KEPT_OPEN: Final = 10_000


class ChainCheck:
    """Checks the chains of some partitions. Memory is that of the calls that are open at once."""

    def __init__(self) -> None:
        self._chains: dict[str, _Chain] = {}
        self._newest_ms: dict[int, int] = {}
        self._unordered: set[int] = set()

    def add(
        self, partition: int, timestamps_ms: Sequence[int], events: Sequence[Event | Rejected], hashes: Sequence[str]
    ) -> None:
        """Take in records of one partition in the order of the log: the events in them, and the SHA-256 of each."""
        newest_ms = self._newest_ms.get(partition, 0)
        chains = self._chains
        for timestamp_ms, event, digest in zip(timestamps_ms, events, hashes, strict=True):
            if timestamp_ms < newest_ms:
                self._unordered.add(partition)
            newest_ms = timestamp_ms
            if isinstance(event, Rejected | Watermark):
                continue
            chain = chains.get(event.producer_id)
            if chain is None:
                chain = chains[event.producer_id] = _Chain(partition)
            if chain.partition != partition:
                chain.whole = False
            elif chain.whole:
                chain.add(event, timestamp_ms // 1000, digest)
        self._newest_ms[partition] = newest_ms

    def open_since(self) -> dict[str, int]:
        """Return each producer, and since which second a call of its is open; `NONE_OPEN`, or `NOT_WHOLE`."""
        return {
            producer: NOT_WHOLE if chain.partition in self._unordered else chain.open_since()
            for producer, chain in self._chains.items()
        }


def find_broken(several: Iterable[dict[str, int]], end_s: int) -> set[str]:
    """Return the producers whose chain is not whole in a log that ends so; `several`: of each share of partitions."""
    seen: set[str] = set()
    broken: set[str] = set()
    for since in several:
        broken |= seen & since.keys()
        seen |= since.keys()
        broken |= {producer for producer, second in since.items() if end_s - second > SOON_S}
    return broken


class _Chain:
    __slots__ = ("_hash", "_open", "_seq", "partition", "whole")

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.whole = True
        self._seq = -1
        self._hash = ""
        self._open: dict[str, int] = {}

    def add(self, event: Event, second: int, digest: str) -> None:
        seq = event.producer_seq  # type: ignore[union-attr] # a watermark is no link of a chain
        follows = seq == self._seq + 1 and event.prev_hash == self._hash  # type: ignore[union-attr] # as above
        if self._seq >= 0 and not follows:
            self.whole = False
        self._seq, self._hash = seq, digest
        kind = type(event)
        if kind is CallStarted:
            self._open[event.call_id] = second  # type: ignore[union-attr] # `kind` says so
            if len(self._open) > _KEPT_OPEN:
                self.whole = False
        elif kind is CallCompleted:
            begun = self._open.pop(event.call_id, None)  # type: ignore[union-attr] # as above
            if begun is not None and second - begun > SOON_S:
                self.whole = False
        if not self.whole:
            self._open.clear()

    def open_since(self) -> int:
        return min(self._open.values(), default=NONE_OPEN) if self.whole else NOT_WHOLE
