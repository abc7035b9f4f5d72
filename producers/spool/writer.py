"""The writer: appends records to a directory's segments, one write for each group."""

import errno
import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from tokentrail.producers.records import Record
from tokentrail.producers.spool.frames import encode_frame
from tokentrail.producers.spool.segments import Segments
from tokentrail.producers.spool.tail import Group

SEGMENT_BYTES: Final = 16_777_216
_SEGMENTS_A_SPOOL: Final = 8
"""A small spool has smaller segments: room comes back a segment at a time."""
_SEGMENT_AGE_S: Final = 3600.0
"""A segment that is slow to fill ends all the same, so that age can be told file by file."""
_GROUP_BYTES: Final = 4_194_304
"""So much is written at once, whether or not somebody commits."""
_TELL_AGAIN_S: Final = 60.0
_NO_ROOM: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_log = logging.getLogger("tokentrail")


class SpoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a writer keeps, and how safely."""

    max_bytes: int = 1_073_741_824
    sync: bool = False
    """True: a commit returns when the data is on the disk itself, and not only with the operating system."""
    max_age_s: float = 604_800.0
    sync_after_s: float = 1.0
    """Without `sync`: what has waited for Kafka this long is brought to the disk with the next commit."""


class WriterLinks(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer is connected with; each is called in its thread and must not raise."""

    offer: Callable[[Group], None] = lambda _group: None
    """Gets each group once it is written."""
    on_drop: Callable[[bytes, int], None] = lambda _key, _count: None
    """Gets key and number of records that were dropped after `append` had taken them."""
    others_bytes: Callable[[], int] = lambda: 0
    """How much of `max_bytes` other processes have taken; asked with every record."""
    clock: Callable[[], float] = time.time


class SpoolWriter:
    """Used by one thread. Never raises; what cannot be kept is dropped, counted by reason, and told once.

    What `commit` returned True for outlives this process, however it ends. It outlives a power cut where `sync` is set;
    else what was committed within the last second or so may be gone, unless Kafka has acknowledged it.
    A group is kept whole or dropped whole. A full spool refuses what is new: a producer's chain breaks in one place.
    """

    def __init__(self, segments: Segments, limits: SpoolLimits, links: WriterLinks | None = None) -> None:
        links = links or WriterLinks()
        self._segments = segments
        self._limits = limits
        self._offer = links.offer
        self._on_drop = links.on_drop
        self._others_bytes = links.others_bytes
        self._clock = links.clock
        self._segment_bytes = min(SEGMENT_BYTES, limits.max_bytes // _SEGMENTS_A_SPOOL)
        self._file = -1
        self._identity = (0, 0)
        self._opened_s = 0.0
        self._encoded: list[bytes] = []
        self._records: list[Record] = []
        self._waiting_bytes = 0
        self._behind_since_s: float | None = None
        self._lost = False
        self._trouble = ""
        self._told_s = float("-inf")
        self.dropped: Counter[str] = Counter()
        """Records that were not kept, by reason."""
        self.last_error = ""
        """What stands in the way of writing now; empty when nothing does."""

    def append(self, record: Record) -> bool:
        """Take a record into the group that the next `commit` writes. False: dropped, and counted. No I/O, 2 µs.

        While the disk refuses, every record is tried on its own, so that the answer is exact.
        """
        sequence = self._segments.committed + len(self._records) + 1
        try:
            encoded = encode_frame(sequence, record)
        except ValueError:
            self.dropped["too_large"] += 1
            return False
        if not self._has_room(len(encoded)):
            self.dropped["spool_full_bytes"] += 1
            self._tell("spool_full_bytes", f"it holds {self._limits.max_bytes:,} bytes, as many as it may")
            return False
        if self._trouble == "spool_full_bytes":
            self._tell_of_recovery()
        self._encoded.append(encoded)
        self._records.append(record)
        self._waiting_bytes += len(encoded)
        if self.last_error or self._waiting_bytes > _GROUP_BYTES:
            return self._commit(answered=1)
        return True

    def commit(self) -> bool:
        """Write what was appended since the last commit.

        False: something of it that `append` had taken could not be written, and is dropped and counted. Who must not go
        on without a record refuses everything that this group was to hold.
        """
        self._commit(answered=0)
        complete, self._lost = not self._lost, False
        return complete

    def close(self) -> None:
        """Commit, and let go of the file."""
        self.commit()
        self._segments.seal()
        self._leave_file()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's file without a trace."""
        self._leave_file()
        self._encoded.clear()
        self._records.clear()

    def _commit(self, *, answered: int) -> bool:
        """Write the group; the last `answered` of it are told of by what this returns."""
        if not self._records:
            return True
        data = b"".join(self._encoded)
        try:
            self._write(data)
        except OSError as error:
            self._drop_group(error, answered)
            return False
        records, self._records = self._records, []
        self._encoded.clear()
        self._waiting_bytes = 0
        first = self._segments.committed + 1
        self._segments.extend(len(data), len(records), self._clock())
        if self.last_error:
            self._tell_of_recovery()
        self._offer(Group(first, records, len(data)))
        return True

    def _write(self, data: bytes) -> None:
        now_s = self._clock()
        self._roll_if_due(now_s)
        if self._file < 0:
            self._open(now_s)
        written = os.write(self._file, data)
        while written < len(data):  # no room for all of it: the next attempt says why
            written += os.write(self._file, data[written:])
        if self._limits.sync or self._waits_too_long(now_s):
            os.fdatasync(self._file)

    def _roll_if_due(self, now_s: float) -> None:
        if self._file < 0:
            return
        live_bytes = self._segments.live_bytes
        if live_bytes >= self._segment_bytes or (live_bytes and now_s - self._opened_s > _SEGMENT_AGE_S):
            self._leave_file()
        elif not self._is_ours():
            self._file = -1  # the number is somebody else's by now: not to be closed

    def _is_ours(self) -> bool:
        """Hosts that close every descriptor (daemons do) give our number to another file, and may delete ours."""
        try:
            status = os.fstat(self._file)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity and status.st_nlink > 0

    def _open(self, now_s: float) -> None:
        file = self._segments.open_next(self._clock)
        self._file = file
        if self._limits.sync:
            _sync_name(self._segments.directory)
        self._opened_s = now_s
        status = os.fstat(file)
        self._identity = (status.st_dev, status.st_ino)
        expired = self._segments.expire(now_s - self._limits.max_age_s)
        if expired:
            self.dropped["too_old"] += expired

    def _leave_file(self) -> None:
        if self._file >= 0 and self._is_ours():
            with suppress(OSError):
                os.close(self._file)
        self._file = -1

    def _has_room(self, size_bytes: int) -> bool:
        segments = self._segments
        room = self._limits.max_bytes - self._others_bytes() - self._waiting_bytes - size_bytes
        if segments.size_bytes > room and segments.acknowledged == segments.committed:
            # All of the last file is settled; it can only be deleted when it is not written to any more.
            self._leave_file()
            segments.seal()
            segments.settle(segments.acknowledged)
        return segments.size_bytes <= room

    def _waits_too_long(self, now_s: float) -> bool:
        """Once for each `sync_after_s` in which something was waiting for Kafka all the time."""
        if self._segments.acknowledged == self._segments.committed:
            self._behind_since_s = now_s
            return False
        if self._behind_since_s is None:
            self._behind_since_s = now_s
        if now_s - self._behind_since_s < self._limits.sync_after_s:
            return False
        self._behind_since_s = now_s
        return True

    def _drop_group(self, error: OSError, answered: int) -> None:
        reason = "disk_full" if error.errno in _NO_ROOM else "write_failed"
        self._cut_torn_tail()
        records, self._records = self._records, []
        self._encoded.clear()
        self._waiting_bytes = 0
        self.dropped[reason] += len(records)
        self.last_error = f"{type(error).__name__}: {error.strerror}"
        self._tell(reason, self.last_error)
        unanswered = records[: len(records) - answered]
        self._lost = self._lost or bool(unanswered)
        for key, count in Counter(record.key for record in unanswered).items():
            self._on_drop(key, count)

    def _cut_torn_tail(self) -> None:
        if self._file < 0:
            return
        try:
            os.ftruncate(self._file, self._segments.live_bytes)
        except OSError:  # readers know where it ends; the next group begins another file
            self._leave_file()

    def _tell(self, reason: str, why: str) -> None:
        if self._trouble:
            return
        self._trouble = reason
        now_s = self._clock()
        if now_s - self._told_s >= _TELL_AGAIN_S:
            self._told_s = now_s
            _log.warning(
                "The spool %s cannot take events (%s). They are dropped and counted until it can; calls are not "
                "affected.", self._segments.directory, why,
            )  # fmt: skip

    def _tell_of_recovery(self) -> None:
        self._trouble = self.last_error = ""
        _log.info("The spool %s takes events again.", self._segments.directory)


def _sync_name(directory: Path) -> None:
    """Bring the names of a new file and of its new directory to the disk: without them its data is not found."""
    for path in (directory, directory.parent):
        opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
