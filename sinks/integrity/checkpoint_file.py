"""The checkpoint file: one signed checkpoint per line, appended and on the disk before anybody is told of it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tokentrail.errors import SettingsError
from tokentrail.sinks.integrity.checkpoint import SignedCheckpoint, decode_line, encode_line


class CheckpointFile:
    """A file that is only appended to. Blocking."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[SignedCheckpoint]:
        """Return what the file holds, in its order; a line that is none is passed over, a missing file is empty.

        Raises:
            SettingsError: the file cannot be read.
        """
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise SettingsError(f"The checkpoint file {self._path} cannot be read ({error.strerror}).") from error
        return [read for line in lines if (read := decode_line(line)) is not None]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes of this machine from making a checkpoint at the same time.

        Raises:
            SettingsError: the file cannot be made or opened.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise SettingsError(
                f"The checkpoint file {self._path} cannot be written ({error.strerror}); name another one in the "
                "setting checkpoint_file."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def append(self, checkpoint: SignedCheckpoint) -> None:
        """Append one line; returns once the disk has it. What a crash left of a line is ended first."""
        with self._path.open("a+b") as file:
            torn = False
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                torn = file.read(1) != b"\n"
            file.write((b"\n" if torn else b"") + encode_line(checkpoint) + b"\n")
            file.flush()
            os.fsync(file.fileno())
