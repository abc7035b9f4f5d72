"""Outlets beside the bus: a callback, a file of JSON lines, a logger. Each gets every event; none can hurt another."""

import errno
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from tokentrail.producers.guard import guarded
from tokentrail.producers.records import Record

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_WRITING: Final = guarded("writing to an outlet beside the bus")

SideOutlet = Callable[[Record], object]
"""Takes a record in the scribe's thread; what it returns is not looked at, what it raises is counted."""


class SideBySide:
    """An outlet that hands each record to the bus first and then to the others, as they are by then.

    What it returns is the bus's answer: whether an event is in the trail is for the bus to say. What the others raise
    is swallowed, logged once and counted in `tokentrail.producers.guard.faults`.
    """

    def __init__(self, bus: Callable[[Record], bool], others: Sequence[SideOutlet]) -> None:
        self._bus = bus
        self._others = others

    def __call__(self, record: Record) -> bool:
        """Hand the record to all."""
        accepted = self._bus(record)
        if self._others:
            for outlet in tuple(self._others):
                with _WRITING:
                    outlet(record)
        return accepted


class EventCallback:
    """Calls a function of the user's with each event, as a dict."""

    def __init__(self, function: Callable[[dict[str, Any]], object]) -> None:
        self._function = function

    def __call__(self, record: Record) -> None:
        """Call it. Blocks the scribe as long as it takes: it is to be quick."""
        self._function(msgspec.json.decode(record.value))


class JsonLines:
    """Appends each event to a file, one line an event; made with mode 0600 on the first one.

    Rotation is left to logrotate: a file that was moved away or deleted is made anew with the next event. Several
    processes may append to the same file, since a line is one write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1
        self._identity = (0, 0)
        self._owner = 0
        self._mending = b""

    def __call__(self, record: Record) -> None:
        """Write the line.

        Raises:
            OSError: the file cannot be made or written to; tried again with the next event.
        """
        if not self._is_current():
            self._reopen()
        line = self._mending + record.value + b"\n"
        written = os.write(self._file, line)
        self._mending = b"" if written == len(line) else b"\n"
        if self._mending:
            raise OSError(errno.ENOSPC, "only a part of a line was written", str(self._path))

    def _is_current(self) -> bool:
        if self._file < 0 or self._owner != os.getpid():
            return False
        try:
            status = self._path.lstat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def _reopen(self) -> None:
        if self._file >= 0:
            with suppress(OSError):
                os.close(self._file)
        self._file = -1
        file = os.open(self._path, _FLAGS, 0o600)
        status = os.fstat(file)
        self._file, self._identity, self._owner = file, (status.st_dev, status.st_ino), os.getpid()


class EventLogger:
    """Logs each event as a JSON text of its own, at one level."""

    def __init__(self, logger: logging.Logger, level: int = logging.INFO) -> None:
        self._logger = logger
        self._level = level

    def __call__(self, record: Record) -> None:
        """Log it, if the logger lets that level through."""
        if self._logger.isEnabledFor(self._level):
            self._logger.log(self._level, "%s", record.value.decode())


def side_outlets(
    *,
    callback: Callable[[dict[str, Any]], object] | None = None,
    jsonl: Path | str | None = None,
    logger: logging.Logger | str | None = None,
) -> list[SideOutlet]:
    """Return the outlets that were asked for; no I/O until the first event."""
    outlets: list[SideOutlet] = []
    if callback is not None:
        outlets.append(EventCallback(callback))
    if jsonl is not None:
        outlets.append(JsonLines(Path(jsonl).expanduser()))
    if logger is not None:
        outlets.append(EventLogger(logging.getLogger(logger) if isinstance(logger, str) else logger))
    return outlets


def add_outlets(
    *,
    callback: Callable[[dict[str, Any]], object] | None = None,
    jsonl: Path | str | None = None,
    logger: logging.Logger | str | None = None,
) -> Callable[[], None]:
    """Give each event of this process, from now on, to these as well; returns what ends that again.

    They are called in the background thread that records, after the bus has taken the event: what they raise is
    counted, what they take of time delays recording, and no call waits for them. A forked child keeps them.
    """
    added = side_outlets(callback=callback, jsonl=jsonl, logger=logger)
    beside.extend(added)

    def end() -> None:
        for outlet in added:
            with suppress(ValueError):  # ended before
                beside.remove(outlet)

    return end


beside: Final[list[SideOutlet]] = []
"""What `add_outlets` has added in this process."""
