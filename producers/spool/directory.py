"""Directories: one for each process below the spool's root, held by a lock while the process lives."""

import errno
import fcntl
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import uuid_utils

from tokentrail.producers.spool.cursor import Cursor, CursorFile
from tokentrail.producers.spool.segments import SUFFIX

_LOCK_NAME: Final = "lock"
_DESTINATION_NAME: Final = "destination.json"
_UNFINISHED: Final = ".new-"
_log = logging.getLogger("tokentrail")
_own: set[str] = set()
"""Names of the directories this process holds: a POSIX lock does not keep out the process that has it."""


def default_root() -> Path:
    """Return `tokentrail/spool` below XDG_STATE_HOME, or below `~/.local/state`; one for each user."""
    state = os.environ.get("XDG_STATE_HOME") or ""
    home = Path(state) if Path(state).is_absolute() else Path("~/.local/state").expanduser()
    return home / "tokentrail" / "spool"


class Destination(msgspec.Struct, frozen=True):
    """Where a directory's records are meant to go; whoever ships to another place leaves them alone."""

    topic: str
    kafka: str = ""
    """Bootstrap servers; empty: none was known."""

    def takes(self, other: "Destination") -> bool:
        """Tell whether records that were meant for `other` may be shipped here without anybody saying so."""
        return self.topic == other.topic and other.kafka in {"", self.kafka}

    def takes_on_demand(self, other: "Destination") -> bool:
        """Tell whether they may be shipped here if somebody says so: the broker may have another address by now."""
        return self.topic == other.topic


class SpoolDirectory:
    """A directory that this process holds.

    The lock is POSIX's and not flock's: a forked child does not have it, so that a parent's directory is free when the
    parent is dead, whatever children live on. It is lost when this process closes any descriptor of the lock file,
    which is why nobody but this class opens it.
    """

    def __init__(self, path: Path, lock: int, destination: Destination) -> None:
        self.path = path
        self.destination = destination
        self._lock = lock
        _own.add(path.name)

    def release(self) -> None:
        """Let go: what is in it is shipped by whoever comes next."""
        _own.discard(self.path.name)
        with suppress(OSError):
            os.close(self._lock)

    def remove(self) -> None:
        """Delete it with all that is in it, then let go."""
        with suppress(OSError):
            for entry in os.scandir(self.path):
                if entry.name != _LOCK_NAME:
                    os.unlink(entry.path)  # noqa: PTH108 - an entry's path is a string
            (self.path / _LOCK_NAME).unlink(missing_ok=True)
            self.path.rmdir()
        self.release()

    def abandon(self) -> None:
        """In a forked child: close the inherited descriptor, which does not touch the parent's lock."""
        self.release()

    @property
    def made_s(self) -> float:
        """Return when it was made, as `made_s`."""
        return made_s(self.path)

    @property
    def touched_s(self) -> float:
        """Return when something in it was last written."""
        newest = 0.0
        with suppress(OSError):
            for entry in os.scandir(self.path):
                with suppress(OSError):
                    newest = max(newest, entry.stat().st_mtime)
        return newest


def make_directory(root: Path, destination: Destination, clock: Callable[[], float] = time.time) -> SpoolDirectory:
    """Make and hold a directory of this process's own below `root`, which is made too.

    Raises:
        OSError: it cannot be made or locked there.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{os.getpid()}-{int(clock() * 1000)}-{uuid_utils.uuid4().hex[:12]}"
    unfinished, path = root / f"{_UNFINISHED}{name}", root / name
    unfinished.mkdir(mode=0o700)
    try:
        lock = _furnish(unfinished, destination)
        # Locked before it has a name that others look at: nobody takes it for one that was left.
        unfinished.rename(path)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return SpoolDirectory(path, lock, destination)


def _furnish(directory: Path, destination: Destination) -> int:
    # The least of system calls: after each of them another thread may keep the interpreter, and the first record waits.
    file = os.open(directory / _DESTINATION_NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        encoded = msgspec.json.encode(destination)
        if os.write(file, encoded) != len(encoded):
            raise OSError(errno.ENOSPC, "no room for the destination")
    finally:
        os.close(file)
    cursor = CursorFile(directory)
    # Both slots have their room on the disk before it can be full.
    if not (cursor.write(Cursor(written=0)) and cursor.write(Cursor(written=1))):
        raise OSError(errno.ENOSPC, "no room for a cursor")
    return _open_lock(directory, os.O_CREAT | os.O_EXCL)


def make_directory_somewhere(root: Path, destination: Destination) -> SpoolDirectory:
    """As `make_directory`; where it cannot be made, in this user's part of the temporary directory, with a warning.

    Raises:
        OSError: it cannot be made there either.
    """
    try:
        return make_directory(root, destination)
    except OSError as error:
        fallback = _private_temporary_root()
        made = make_directory(fallback, destination)
        _log.warning(
            "The spool cannot be made in %s (%s); events wait in %s, which may not outlive a restart of the machine. "
            "Set TOKENTRAIL_SPOOL to a directory that this service may write to.", root, error.strerror, fallback,
        )  # fmt: skip
        return made


def _private_temporary_root() -> Path:
    root = Path(tempfile.gettempdir()) / f"tokentrail-spool-{os.getuid()}"
    with suppress(FileExistsError):
        root.mkdir(mode=0o700)
    status = root.lstat()
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077:
        return root
    return Path(tempfile.mkdtemp(prefix="tokentrail-spool-"))  # the name is somebody else's


def made_s(path: Path) -> float:
    """Return when a directory was made, from its name; the beginning of time where the name says nothing."""
    parts = path.name.split("-")
    return int(parts[1]) / 1000 if len(parts) > 1 and parts[1].isdigit() else 0.0


def list_directories(root: Path) -> list[Path]:
    """Return the directories below `root` that are not this process's own, oldest first; empty if it is not there."""
    try:
        with os.scandir(root) as entries:
            found = [
                Path(entry.path)
                for entry in entries
                if entry.name not in _own and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []
    return sorted(found, key=lambda path: path.name.split("-")[1:2])


def take_directory(path: Path) -> SpoolDirectory | None:
    """Hold a directory whose process is dead. None: it is alive, or somebody else was faster, or it is none."""
    if path.name in _own:
        return None
    try:
        lock = _open_lock(path, 0)
    except OSError:
        return None
    try:
        is_same = os.path.samestat(os.fstat(lock), (path / _LOCK_NAME).stat())
    except OSError:
        is_same = False
    if not is_same:  # removed while we waited for nobody
        os.close(lock)
        return None
    return SpoolDirectory(path, lock, read_destination(path))


def size_of_others(root: Path) -> int:
    """Return the bytes of segments in directories that are not this process's own."""
    size_bytes = 0
    for directory in list_directories(root):
        with suppress(OSError), os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX):
                    with suppress(OSError):
                        size_bytes += entry.stat(follow_symlinks=False).st_size
    return size_bytes


def read_destination(path: Path) -> Destination:
    """Return where a directory's records are meant to go; an empty topic if it does not say."""
    try:
        return msgspec.json.decode((path / _DESTINATION_NAME).read_bytes(), type=Destination)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Destination("")


def _open_lock(directory: Path, flags: int) -> int:
    lock = os.open(directory / _LOCK_NAME, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


os.register_at_fork(after_in_child=_own.clear)
