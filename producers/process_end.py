"""The ends of a process that skip atexit: children of multiprocessing, and whoever calls `os._exit`."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from tokentrail.producers.guard import guarded

_FLUSHING: Final = guarded("flushing at the end of the process")
_EARLIEST: Final = 1_000_000
"""Multiprocessing runs finalizers by falling priority; events are to be safe before a program's own take long."""


def flush_when_child_ends(flush: Callable[[], Any]) -> None:
    """Have `flush` called when this process ends as a child of multiprocessing; it ends without atexit.

    To be called in the child itself: multiprocessing forgets what was registered before the fork.
    """
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _guarded(flush), exitpriority=_EARLIEST)


def flush_before_os_exit(flush: Callable[[], Any]) -> Callable[[], None]:
    """Have `flush` called before `os._exit` ends this process or a forked child of it; return what takes it back."""
    original: Any = os._exit
    guarded_flush = _guarded(flush)

    @wraps(original)
    def flushing_exit(status: int) -> None:
        try:
            guarded_flush()
        finally:  # whatever interrupts the flush, as Ctrl-C does: who calls this wants to be gone
            original(status)

    replacement: Any = flushing_exit
    os._exit = replacement

    def undo() -> None:
        if os._exit is replacement:
            os._exit = original

    return undo


def _guarded(flush: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        with _FLUSHING:
            flush()

    return run
