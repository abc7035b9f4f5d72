"""The room that other processes take of a spool, counted where no record waits for it."""

import _thread
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tokentrail.producers.spool.directory import size_of_others

COUNT_EVERY_S: Final = 10.0


class OthersSize:
    """Tells how many bytes the directories of other processes hold, as of the last count; 0 before there was one.

    While it is asked, it counts anew every ten seconds, in a thread of its own: a thousand directories take 50 ms.
    """

    def __init__(
        self,
        root: Path,
        count: Callable[[Path], int] = size_of_others,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._count = count
        self._clock = clock
        self._next_s = float("-inf")
        self._bytes = 0

    def __call__(self) -> int:
        """Return what was counted last. Returns at once; for one thread."""
        now_s = self._clock()
        if now_s >= self._next_s:
            self._next_s = float("inf")
            try:
                # Not threading.Thread: its start waits until the thread runs, which may take a turn of the interpreter.
                _thread.start_new_thread(self._recount, ())
            except RuntimeError:  # there is no thread to be had
                self._next_s = now_s + COUNT_EVERY_S
        return self._bytes

    def _recount(self) -> None:
        try:
            self._bytes = self._count(self._root)
        finally:
            self._next_s = self._clock() + COUNT_EVERY_S
