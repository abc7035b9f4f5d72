"""Records as lines of text: `{"partition":0,"offset":7,"timestamp_ms":1767571200123,"event":{…}}`, one a line.

The bytes of `event` are the record's value, so that hashes over them still hold when they are read back.
"""

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final, cast

import msgspec

from tokentrail.errors import SourceError
from tokentrail.processors.slicing import RecordBatch

BATCH_RECORDS: Final = 2_000
"""Records of one partition that are read before they are handed on."""
_PACKING: Final = 5
"""gzip's level: beyond, time grows and files hardly shrink."""


class RecordLine(msgspec.Struct, frozen=True, gc=False):
    """One line. `event` is raw JSON."""

    partition: int
    offset: int
    timestamp_ms: int
    event: msgspec.Raw


class _Gathered(msgspec.Struct):
    """Records of one partition that are not handed on yet; columns of equal length."""

    offsets: list[int]
    timestamps_ms: list[int]
    payloads: list[bytes | None]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RecordLine).decode


def write_lines(path: Path, batches: Iterable[RecordBatch]) -> Iterator[int]:
    """Write batches to a file, packed where its name ends in `.gz`; yields how many records are written so far.

    Raises:
        OSError: the file cannot be written.
    """
    written = 0
    with _open(path, "wb") as file:
        for batch in batches:
            for columns in zip(batch.offsets, batch.timestamps_ms, batch.payloads, strict=True):
                offset, timestamp_ms, payload = columns
                file.write(_encode(RecordLine(batch.partition, offset, timestamp_ms, msgspec.Raw(payload or b"null"))))
                file.write(b"\n")
            written += len(batch.payloads)
            yield written


def read_lines(path: Path) -> Iterator[RecordBatch]:
    """Yield a file's records in its order, gathered by partition, at most `BATCH_RECORDS` at a time.

    Raises:
        OSError: the file cannot be read.
        SourceError: a line is no record; the message names the line.
    """
    gathered: dict[int, _Gathered] = {}
    with _open(path, "rb") as file:
        for number, text in enumerate(file, 1):
            try:
                line = _decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise SourceError(f"Line {number} of {path} is no record: {error}.") from error
            own = gathered.setdefault(line.partition, _Gathered([], [], []))
            own.offsets.append(line.offset)
            own.timestamps_ms.append(line.timestamp_ms)
            own.payloads.append(bytes(line.event))
            if len(own.offsets) == BATCH_RECORDS:
                yield _hand_on(line.partition, gathered.pop(line.partition))
    for partition in sorted(gathered):
        yield _hand_on(partition, gathered[partition])


def _hand_on(partition: int, own: _Gathered) -> RecordBatch:
    return RecordBatch(partition, own.offsets, own.timestamps_ms, own.payloads)


def _open(path: Path, mode: str) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, mode, _PACKING))
    return cast("IO[bytes]", path.open(mode))
