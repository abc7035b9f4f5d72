"""Lines of a file, plain or compressed (`.gz`, `.zst`), some megabytes at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tokentrail.errors import SourceError

CHUNK_BYTES: Final = 4 * 1_048_576
"""Read at once; a line may be longer."""
COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd"}


def read_lines(path: Path) -> Iterator[tuple[list[bytes], int]]:
    """Yield some lines at a time, without their ends, and how many bytes of the file have been read.

    Raises:
        SourceError: the file cannot be read.
    """
    rest: list[bytes] = []
    with file_errors(path), _open(path) as (file, stream):
        while chunk := stream.read(CHUNK_BYTES):
            lines = chunk.split(b"\n")
            if len(lines) > 1:
                lines[0] = b"".join((*rest, lines[0]))
                rest = [lines.pop()]
                yield lines, file.tell()
            else:
                rest.append(chunk)
        if last := b"".join(rest):
            yield [last], file.tell()


def size_bytes(path: Path) -> int:
    """Return a file's size on disk.

    Raises:
        SourceError: it is not there.
    """
    with file_errors(path):
        return path.stat().st_size


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into a SourceError.

    Raises:
        SourceError: names the file and the reason.
    """
    try:
        yield
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror or error}); check the name and the file.") from error


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a file; yields it, and the stream of what is in it."""
    import pyarrow as pa

    with pa.OSFile(os.fsencode(path)) as file:  # names need not be UTF-8
        compression = COMPRESSIONS.get(path.suffix)
        if compression is None:
            yield file, file
        else:
            with pa.CompressedInputStream(file, compression) as stream:
                yield file, stream
