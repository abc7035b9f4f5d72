"""The tail: what the publisher takes next, from memory while it keeps up, else from the files."""

import threading
from collections import deque
from typing import Final, NamedTuple

from tokentrail.producers.records import RECORD_OVERHEAD_BYTES, Record
from tokentrail.producers.spool.reader import SegmentReader
from tokentrail.producers.spool.segments import Segments

HOT_BYTES: Final = 8_388_608
"""How much of the newest is kept in memory, to be had without reading the files."""


class Group(NamedTuple):
    """What one commit wrote: records with consecutive numbers from `first` on, and their weight."""

    first: int
    records: list[Record]
    size_bytes: int


class Tail:
    """One thread offers what it has committed, one takes it: every record once, in order, however long the backlog.

    Memory is bounded: where more waits than HOT_BYTES, it is let go of and read from the files again.
    """

    def __init__(self, segments: Segments, after: int = 0) -> None:
        self._segments = segments
        self._reader = SegmentReader(segments, after)
        self._lock = threading.Lock()
        self._hot: deque[Group] = deque()
        self._hot_bytes = 0

    def offer(self, group: Group) -> None:
        """Take over records that stand in the files by now."""
        weight = group.size_bytes + RECORD_OVERHEAD_BYTES * len(group.records)
        with self._lock:
            if self._hot_bytes + weight > HOT_BYTES:
                self._hot.clear()
                self._hot_bytes = 0
            if weight <= HOT_BYTES:
                self._hot.append(Group(group.first, group.records, weight))
                self._hot_bytes += weight

    def take(self, max_records: int, max_bytes: int) -> list[Record]:
        """Return the next records, about so many; none if there are none. `through` tells how far they go."""
        taken: list[Record] = []
        room = max_bytes
        while len(taken) < max_records and room > 0:
            group = self._take_hot() or self._read()
            if group is None:
                break
            taken += group.records
            room -= group.size_bytes
        return taken

    def rewind(self, after: int) -> None:
        """Go back: what was taken from record `after` on is to be taken again."""
        self._reader.seek(after)

    @property
    def through(self) -> int:
        """Return the number up to which everything was taken, or is missing from the files."""
        return self._reader.next - 1

    @property
    def missing(self) -> int:
        """Return how many committed records could not be read again."""
        return self._reader.missing

    @property
    def is_empty(self) -> bool:
        """Return whether everything committed so far was taken."""
        return self._reader.next > self._segments.committed

    def close(self) -> None:
        """Let go of memory and files."""
        with self._lock:
            self._hot.clear()
            self._hot_bytes = 0
        self._reader.close()

    def _take_hot(self) -> Group | None:
        following = self._reader.next
        with self._lock:
            while self._hot and self._hot[0].first < following:  # read from the files meanwhile
                self._hot_bytes -= self._hot.popleft().size_bytes
            if not self._hot or self._hot[0].first != following:
                return None
            group = self._hot.popleft()
            self._hot_bytes -= group.size_bytes
        self._reader.seek(group.first + len(group.records) - 1)
        return group

    def _read(self) -> Group | None:
        with self._lock:
            behind = self._hot[0].first - 1 if self._hot else self._segments.committed
        frames = self._reader.read(behind)
        if not frames:
            return None
        records = [frame.record for frame in frames]
        weight = sum(len(record.value) for record in records) + RECORD_OVERHEAD_BYTES * len(records)
        return Group(frames[0].sequence, records, weight)
