"""The bounded queue between recorders and the publisher's thread: many put, one takes, nobody waits."""

import threading
from collections import Counter, deque

from tokentrail.producers.records import RECORD_OVERHEAD_BYTES, Record


class RecordQueue:
    """First in, first out; full is full: a record that finds no room is dropped and counted, the older ones stay.

    So a producer's chain breaks in one place, where its readers see the gap.
    """

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        # Re-entrant: a finalizer may record a call while this thread is in here.
        self._lock = threading.RLock()
        self._records: deque[Record] = deque()
        self._bytes = 0
        self.accepted = 0
        """Records taken in, ever."""
        self.dropped: Counter[str] = Counter()
        """Records not taken in, by reason."""

    def __len__(self) -> int:
        return len(self._records)

    @property
    def size_bytes(self) -> int:
        """What the waiting records weigh in memory."""
        return self._bytes

    def put(self, record: Record) -> bool:
        """Take the record in, or count why not. Never blocks."""
        weight = len(record.value) + RECORD_OVERHEAD_BYTES
        with self._lock:
            if len(self._records) >= self._max_records:
                self.dropped["queue_full_records"] += 1
                return False
            if self._bytes + weight > self._max_bytes:
                self.dropped["queue_full_bytes"] += 1
                return False
            self._records.append(record)
            self._bytes += weight
            self.accepted += 1
            return True

    def take(self, max_records: int) -> list[Record]:
        """Take out the oldest records, at most so many; empty when there is none."""
        with self._lock:
            records = self._records
            taken = [records.popleft() for _ in range(min(max_records, len(records)))]
            self._bytes -= sum(len(record.value) for record in taken) + RECORD_OVERHEAD_BYTES * len(taken)
            return taken
