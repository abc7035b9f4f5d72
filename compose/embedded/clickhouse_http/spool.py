"""Spool: a request's body as a file that the engine can read, in memory while it is small, on disk when it grows."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Self

# A ledger block is about 20 MB; whatever is larger than this would weigh on a small machine.
_MEMORY_BYTES = 64 << 20
_COPY_BYTES = 1 << 20


class Spool:
    """Bytes of one request; written once, then read from any offset. Gone when closed.

    Raises OSError (from any method) when the disk is full.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: IO[bytes] = os.fdopen(os.memfd_create("body"), "w+b")
        self._in_memory = True
        self._size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Append a piece."""
        self._size_bytes += len(piece)
        if self._in_memory and self._size_bytes > _MEMORY_BYTES:
            on_disk = tempfile.TemporaryFile(dir=self._directory)  # noqa: SIM115 - closed with the spool
            self._file.seek(0)
            shutil.copyfileobj(self._file, on_disk, _COPY_BYTES)
            self._file.close()
            self._file, self._in_memory = on_disk, False
        self._file.write(piece)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """Append pieces as they come."""
        for piece in pieces:
            self.write(piece)

    def read(self, size: int = -1) -> bytes:
        """Read on from where the last read or seek ended."""
        return self._file.read(size)

    def seek(self, offset: int) -> None:
        """Read from this offset next."""
        self._file.seek(offset)

    def from_offset(self, offset: int) -> "Spool":
        """Return a spool that begins at an offset of this one; the bytes are copied."""
        rest = Spool(self._directory)
        self.seek(offset)
        while piece := self.read(_COPY_BYTES):
            rest.write(piece)
        return rest

    def path(self) -> str:
        """Return a path under which this process can open what was written."""
        self._file.flush()
        return f"/proc/self/fd/{self._file.fileno()}"

    def close(self) -> None:
        """Give the bytes back."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
