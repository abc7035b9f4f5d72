"""Orphans: what dead processes left in their directories, shipped by whoever comes next."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tokentrail.producers.delivery import ROUND_RECORDS, Delivery
from tokentrail.producers.reconciliation import Standing
from tokentrail.producers.records import Record
from tokentrail.producers.spool.cursor import Cursor, CursorFile
from tokentrail.producers.spool.directory import Destination, SpoolDirectory, list_directories, made_s, take_directory
from tokentrail.producers.spool.segments import Segments
from tokentrail.producers.spool.tail import Tail

GRACE_S: Final = 5.0
"""How long a directory rests after its process's last sign of life: what that process had sent has landed by then."""
ROUND_BYTES: Final = 8_388_608
_DOUBTFUL_RECORDS: Final = 3 * ROUND_RECORDS
_DOUBTFUL_BYTES: Final = 4 * ROUND_BYTES + 2_097_152
"""More than any round of `Tail.take` with the two limits above it, which one group may exceed."""


class Consignment:
    """A directory's records on their way into the topic, round by round. Belongs to one thread."""

    def __init__(self, directory: SpoolDirectory, segments: Segments, tail: Tail, cursor: Cursor) -> None:
        self.directory = directory
        self.segments = segments
        self.tail = tail
        self._file = CursorFile(directory.path)
        self._written = cursor.written
        self._settled_offsets = dict(cursor.offsets)
        self.standing = Standing(cursor.offsets, save=self._save_beginnings)

    async def ship_round(self, delivery: Delivery) -> int:
        """Ship the next records and note it; returns how many there were.

        Cancelled in the middle, the round counts as not shipped: what arrived of it is found in the topic again.
        """
        return await self._ship(delivery, self.tail.take(ROUND_RECORDS, ROUND_BYTES))

    async def _ship(self, delivery: Delivery, records: list[Record]) -> int:
        try:
            if records:
                await delivery.deliver(records, self.standing)
        except BaseException:
            self.standing.uncertain = True
            self.tail.rewind(self.segments.acknowledged)
            raise
        through = self.tail.through
        if through > self.segments.acknowledged:
            self.segments.settle(through)
            self._settled_offsets = dict(self.standing.offsets)
            self._save(sync=False)
        return len(records)

    def _save_beginnings(self) -> None:
        # Only what is new: a round that is under way has moved the others past records that are not settled yet.
        self._settled_offsets = {**self.standing.offsets, **self._settled_offsets}
        self._save(sync=True)

    def _save(self, *, sync: bool) -> None:
        self._written += 1
        cursor = Cursor(sequence=self.segments.acknowledged, offsets=self._settled_offsets, written=self._written)
        self._file.write(cursor, sync=sync)


class Orphan(Consignment):
    """A dead process's directory, held by this one.

    Its first round may be in the topic: what that process had sent and did not live to note. It is looked up there, and
    so is the next where something was found: the note is older than thought.
    """

    def __init__(self, directory: SpoolDirectory) -> None:
        cursor = CursorFile(directory.path).read()
        segments = Segments.found_in(directory.path, cursor.sequence)
        super().__init__(directory, segments, Tail(segments, cursor.sequence), cursor)
        touched_s = directory.touched_s
        self.standing.until_s = touched_s
        if not cursor.written:  # lost: all that is known is when the process began
            self.standing.since_s = directory.made_s
            self.standing.save = lambda: None  # a cursor would tell the next that these are all there were
        self._known_offsets = dict(cursor.offsets)
        self._doubtful = True

    @property
    def is_empty(self) -> bool:
        """Whether everything in it is settled."""
        return self.segments.acknowledged >= self.segments.committed

    def expire(self, before_s: float) -> int:
        """Delete what was last written before that moment; returns how many unsettled records were in it."""
        return self.segments.expire(before_s)

    async def ship_round(self, delivery: Delivery) -> int:
        """As any consignment's, but nothing that is in the topic is sent again."""
        if not self._doubtful:
            return await super().ship_round(delivery)
        records = self.tail.take(_DOUBTFUL_RECORDS, _DOUBTFUL_BYTES)
        found_before = delivery.found_again
        self.standing.offsets = dict(self._known_offsets)
        self.standing.uncertain = True
        shipped = await self._ship(delivery, records)
        self._doubtful = delivery.found_again > found_before
        return shipped

    def leave(self) -> None:
        """Let go: an empty directory is removed, another is for the next to ship."""
        self.tail.close()
        if self.is_empty:
            self.directory.remove()
        else:
            self.directory.release()


class Orphanage:
    """Finds the orphans below a root, one at a time."""

    def __init__(
        self,
        root: Path,
        takes: Callable[[Destination], bool],
        *,
        max_age_s: float = float("inf"),
        grace_s: float = GRACE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._root = root
        self._takes = takes
        self._max_age_s = max_age_s
        self._grace_s = grace_s
        self._clock = clock
        self.too_old = 0
        """Records that were deleted because of their age."""
        self.foreign: list[Path] = []
        """Directories seen last time that are meant for another broker or topic."""
        self.held: list[Path] = []
        """Directories seen last time that a process holds."""
        self.rest_s: float | None = None
        """In how many seconds a directory will have rested that has not yet; None: there is none."""

    def adopt(self, made_before_s: float = float("inf")) -> Iterator[Orphan]:
        """Yield each directory of a dead process that has something to ship; the others are tidied up on the way.

        What was made later than `made_before_s` is not looked at.
        """
        self.rest_s = None
        self.foreign, self.held = [], []
        for path in list_directories(self._root):
            if made_s(path) > made_before_s:
                continue
            directory = take_directory(path)
            if directory is None:
                self.held.append(path)
                continue
            rest_s = directory.touched_s + self._grace_s - self._clock()
            if 0 < rest_s <= self._grace_s:
                self.rest_s = rest_s if self.rest_s is None else min(self.rest_s, rest_s)
                directory.release()
                continue
            orphan = self._open(directory)
            if orphan is not None:
                yield orphan

    def tidy(self) -> None:
        """Remove what is too old, and of directories that are as old those that are empty; nothing is shipped.

        Younger ones hold nothing that is too old: a thousand of them would take a starting process 0.3 s to look at.
        """
        for orphan in self.adopt(self._clock() - self._max_age_s):
            orphan.leave()

    def _open(self, directory: SpoolDirectory) -> Orphan | None:
        try:
            orphan = Orphan(directory)
        except OSError:
            directory.release()
            return None
        self.too_old += orphan.expire(self._clock() - self._max_age_s)
        if not orphan.is_empty and self._takes(directory.destination):
            return orphan
        if not orphan.is_empty:
            self.foreign.append(directory.path)
        orphan.leave()
        return None
