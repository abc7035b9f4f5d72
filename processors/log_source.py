"""Log sources: where replay gets the records of a stretch of the log from - the archive, a topic, files."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from tokentrail.processors.slicing import RecordBatch


class LogSource(Protocol):
    """A stretch of the log. It may be pickled, so that several processes each read partitions of their own.

    `count_by_partition` and `read` block; both raise the error of the place they read from (EngineError, BrokerError,
    SourceError).
    """

    @property
    def fraction(self) -> float:
        """How much of what `read` was asked for has been read, from 0 to 1; an estimate."""
        ...

    def count_by_partition(self) -> dict[int, int]:
        """Return the source partitions that hold anything, and about how many records each has."""
        ...

    def read(self, partitions: Sequence[int]) -> Iterator[RecordBatch]:
        """Yield the records of some partitions: each one's in offset order, all together by append time, roughly."""
        ...


class KeptRecord(msgspec.Struct, frozen=True, gc=False):
    """One record as it was in its topic, with all that Kafka keeps beside its value."""

    partition: int
    timestamp_ms: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
