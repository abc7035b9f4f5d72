"""Reading segment files back, in order, around whatever is damaged in them."""

import os
from typing import Final

from tokentrail.producers.spool.frames import HEAD_BYTES, MAX_BODY_BYTES, Frame, read_frames
from tokentrail.producers.spool.segments import Segment, Segments

_CHUNK_BYTES: Final = 1_048_576
_LARGEST_CHUNK_BYTES: Final = 2 * (MAX_BODY_BYTES + HEAD_BYTES)


class SegmentReader:
    """Reads what is committed, each record once. Belongs to one thread; the writer goes on meanwhile.

    Never raises: a file that cannot be read is skipped, and what is missing is counted by its sequence numbers.
    """

    def __init__(self, segments: Segments, after: int) -> None:
        self._segments = segments
        self.next = after + 1
        """Sequence number of the next record; what is before it was returned, or is missing."""
        self.missing = 0
        """Records that were committed and cannot be read."""
        self._file = -1
        self._first = 0
        self._at = 0
        self._chunk_bytes = _CHUNK_BYTES

    def read(self, through: int) -> list[Frame]:
        """Return the next records, up to the number `through` and to about 1 MiB; empty when there are none."""
        while self.next <= through:
            found = self._segments.find(self.next)
            if found is None:
                self.next = through + 1
                break
            segment, size_bytes, last = found
            if segment.first > self.next:  # what was before is deleted, and counted by whoever did it
                self.next = segment.first
                continue
            frames = self._read_chunk(segment, size_bytes)
            kept = [frame for frame in frames if self.next <= frame.sequence <= through]
            if kept:
                self._pass(kept[-1].sequence + 1, len(kept))
                if kept[-1] is not frames[-1]:
                    self._first = 0  # cut off in the middle: the next reading looks for its place
                return kept
            if self._at >= size_bytes:
                self._pass(min(last, through) + 1, 0)
        return []

    def seek(self, after: int) -> None:
        """Go on behind a record that was had from elsewhere, or back behind one that was read before."""
        if after + 1 < self.next:
            self.close()
        self.next = after + 1

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._first = -1, 0

    def _pass(self, following: int, read: int) -> None:
        self.missing += following - self.next - read
        self.next = following

    def _read_chunk(self, segment: Segment, size_bytes: int) -> list[Frame]:
        try:
            if self._first != segment.first:
                self.close()
                self._file = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                self._first, self._at = segment.first, 0
            wanted = min(self._chunk_bytes, size_bytes - self._at)
            data = os.pread(self._file, wanted, self._at)
        except OSError:
            self._at = size_bytes
            return []
        final = len(data) < wanted or self._at + len(data) >= size_bytes
        found = read_frames(data, final=final)
        self._chunk_bytes = _CHUNK_BYTES
        if len(data) < wanted:  # somebody cut the file
            self._at = size_bytes
        elif not found.frames and not found.end:
            self._chunk_bytes = _LARGEST_CHUNK_BYTES
        else:
            self._at += found.end
        return found.frames
