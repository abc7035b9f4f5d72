"""The segment files of one directory: which there are, how far each is written, and when one may go."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Final

from tokentrail.producers.spool.frames import read_frames

SUFFIX: Final = ".seg"
_OPEN_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


class Segment:
    """One file; its name is the sequence number of its first record."""

    __slots__ = ("first", "last", "path", "sealed", "size_bytes", "written_at_s")

    def __init__(self, path: Path, first: int, size_bytes: int, last: int, written_at_s: float) -> None:
        self.path = path
        self.first = first
        self.size_bytes = size_bytes
        """Up to here it holds whole frames; what may stand behind is no part of it."""
        self.last = last
        self.written_at_s = written_at_s
        """When it was last written to; wall clock, because it outlives the process."""
        self.sealed = False


class Segments:
    """Shared by the one thread that writes and the one that ships: every method takes the lock, for microseconds."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.Lock()
        self._segments: list[Segment] = []
        self.acknowledged = 0
        """Records up to this number are settled: in Kafka, or given up and counted."""
        self.committed = 0
        """Records up to this number are in the files."""
        self.size_bytes = 0

    def open_next(self, clock: Callable[[], float]) -> int:
        """Seal the last segment and begin a new file; returns its descriptor, to be closed by the caller.

        Raises:
            OSError: there is no room for it, or no directory any more.
        """
        first = self.committed + 1
        path = self.directory / f"{first:020d}{SUFFIX}"
        with suppress(FileNotFoundError):  # left by a write that failed: it holds nothing that was committed
            path.unlink()
        file = os.open(path, _OPEN_NEW, 0o600)
        with self._lock:
            if self._segments:
                self._segments[-1].sealed = True
            if self._segments and not self._segments[-1].size_bytes:
                self._segments.pop()
            self._segments.append(Segment(path, first, 0, self.committed, clock()))
        return file

    def extend(self, size_bytes: int, records: int, now_s: float) -> None:
        """Count what was written behind the last segment's end."""
        with self._lock:
            last = self._segments[-1]
            last.size_bytes += size_bytes
            last.last += records
            last.written_at_s = now_s
            self.size_bytes += size_bytes
            self.committed = last.last

    def find(self, sequence: int) -> tuple[Segment, int, int] | None:
        """Return the segment that holds a record or follows it, with its size and its last record by now."""
        with self._lock:
            for segment in self._segments:
                if segment.last >= sequence:
                    return segment, segment.size_bytes, segment.last
        return None

    def settle(self, sequence: int) -> list[Segment]:
        """Note that everything up to `sequence` is settled, and delete the files that hold nothing else."""
        with self._lock:
            self.acknowledged = max(self.acknowledged, sequence)
            done = [segment for segment in self._segments if segment.sealed and segment.last <= self.acknowledged]
            self._forget(done)
        _delete(done)
        return done

    def expire(self, before_s: float) -> int:
        """Delete sealed files last written to before that moment; returns how many unsettled records were in them."""
        lost = 0
        with self._lock:
            old = []
            for segment in self._segments:
                if not segment.sealed or segment.written_at_s >= before_s:
                    break
                old.append(segment)
                lost += segment.last - max(segment.first - 1, self.acknowledged)
                self.acknowledged = max(self.acknowledged, segment.last)
            self._forget(old)
        _delete(old)
        return lost

    def seal(self) -> None:
        """Note that the last segment is not written to any more."""
        with self._lock:
            if self._segments:
                self._segments[-1].sealed = True

    def _forget(self, segments: list[Segment]) -> None:
        for segment in segments:
            self._segments.remove(segment)
            self.size_bytes -= segment.size_bytes

    @property
    def live_bytes(self) -> int:
        """Return the size of the segment that is being written."""
        with self._lock:
            return self._segments[-1].size_bytes if self._segments and not self._segments[-1].sealed else 0

    @classmethod
    def found_in(cls, directory: Path, acknowledged: int) -> "Segments":
        """Return the segments that a dead process left; reads the last file to see where it ends.

        Raises:
            OSError: the directory or that file cannot be read.
        """
        found = cls(directory)
        found.acknowledged = found.committed = acknowledged
        names = sorted(name for name in os.listdir(directory) if _first_of(name))  # noqa: PTH208 - names suffice
        for name, following in zip_longest(names, names[1:]):
            path, first = directory / name, _first_of(name)
            status = path.stat()
            last = _first_of(following) - 1 if following else _last_in(path, first)
            segment = Segment(path, first, status.st_size, last, status.st_mtime)
            segment.sealed = True
            found._segments.append(segment)
            found.size_bytes += status.st_size
            found.committed = max(last, acknowledged)
        return found


def _last_in(path: Path, first: int) -> int:
    frames = read_frames(path.read_bytes(), final=True).frames
    return frames[-1].sequence if frames else first - 1


def _first_of(name: str) -> int:
    """Return the first sequence number of a segment's file, 0 of any other file."""
    stem = name.removesuffix(SUFFIX)
    return int(stem) if stem != name and stem.isascii() and stem.isdigit() else 0


def _delete(segments: list[Segment]) -> None:
    for segment in segments:
        with suppress(OSError):  # it is forgotten either way; who adopts the directory finds it acknowledged
            segment.path.unlink()
