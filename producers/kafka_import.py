"""Imports aiokafka in the publisher's thread, so that no call waits for it, and never across a fork.

A child that is forked in the middle of an import has half a module for ever, and the thread that would finish it is
gone. So whoever forks waits until the import has ended.
"""

import os
import threading
from contextlib import suppress
from typing import Final

FORK_WAIT_S: Final = 5.0
"""The import takes 0.15 s; a fork that waits longer holds what the import waits for, and goes on as it is."""


class _Import:
    """The lock that an import of aiokafka and a fork of this process exclude each other by."""

    def __init__(self) -> None:
        # Re-entrant, and so owned: a thread that gave up waiting cannot release it for the one that has it.
        self._lock = threading.RLock()

    def run(self) -> None:
        with self._lock:
            import encodings.idna  # noqa: F401 - loaded when a host name is looked up

            import aiokafka.partitioner  # noqa: F401 - the package and what it loads late

    def before_fork(self) -> None:
        self._lock.acquire(timeout=FORK_WAIT_S)

    def after_fork_in_parent(self) -> None:
        with suppress(RuntimeError):  # it was not had in time
            self._lock.release()

    def after_fork_in_child(self) -> None:
        self._lock = threading.RLock()


_import = _Import()
os.register_at_fork(
    before=_import.before_fork,
    after_in_parent=_import.after_fork_in_parent,
    after_in_child=_import.after_fork_in_child,
)


def import_aiokafka() -> None:
    """Import aiokafka with everything that it loads later; 0.15 s the first time, nothing after that.

    Raises:
        ImportError: it is not installed.
    """
    _import.run()
