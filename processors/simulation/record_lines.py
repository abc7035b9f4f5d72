"""Records as lines of text: `{"partition":0,"offset":7,"timestamp_ms":1767571200123,"event":{…}}`, one a line.

The bytes of `event` are the record's value, so that hashes over them still hold when `tokentrail.processors.file_log`
reads them back.
"""

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from tokentrail.processors.slicing import RecordBatch

_PACKING: Final = 5
"""gzip's level: beyond, time grows and files hardly shrink."""


class RecordLine(msgspec.Struct, frozen=True, gc=False):
    """One line. `event` is raw JSON."""

    partition: int
    offset: int
    timestamp_ms: int
    event: msgspec.Raw


_encode = msgspec.json.Encoder().encode


def write_lines(path: Path, batches: Iterable[RecordBatch]) -> Iterator[int]:
    """Write batches to a file, packed where its name ends in `.gz`; yields how many records are written so far.

    Raises:
        OSError: the file cannot be written.
    """
    written = 0
    with _open(path) as file:
        for batch in batches:
            columns = zip(batch.offsets, batch.timestamps_ms, batch.payloads, strict=True)
            for offset, timestamp_ms, payload in columns:
                line = RecordLine(batch.partition, offset, timestamp_ms, msgspec.Raw(payload or b"null"))
                file.write(_encode(line) + b"\n")
            written += len(batch.payloads)
            yield written


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "wb", _PACKING))
    return path.open("wb")
