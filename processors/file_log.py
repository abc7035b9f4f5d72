"""The log in files: JSON lines, one event a line, plain or compressed (`.gz`, `.zst`); each file is a partition.

An event's offset is its line, counted from 0, and it arrived at the moment at which it occurred: a file does not say
when it was written to. Watermark records count at what they promise.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from heapq import heapify, heapreplace
from pathlib import Path
from typing import Any, Final

from tokentrail.errors import SourceError
from tokentrail.processors.event_range import EventRange, read_time, to_microseconds
from tokentrail.processors.slicing import RecordBatch

CHUNK_BYTES: Final = 4 * 1_048_576
"""Read at once, of each file; a line may be longer."""
_COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd"}
_EVENT_BYTES: Final = 900
"""What an event weighs, for estimates."""
_PACKED: Final = 6
"""How much smaller compressed events are, for estimates."""


class FileLog:
    """Reads files; a `LogSource`."""

    def __init__(self, paths: Sequence[Path], within: EventRange | None = None) -> None:
        self._paths = list(paths)
        self._within = within
        self._read_bytes: dict[int, int] = {}
        self._wanted_bytes = 0

    @property
    def fraction(self) -> float:
        """How much of the files has been read, by bytes on disk."""
        return min(1.0, sum(self._read_bytes.values()) / self._wanted_bytes) if self._wanted_bytes else 0.0

    def count_by_partition(self) -> dict[int, int]:
        """Return a number for each file, in the order in which they were named, and about how many lines it has.

        Raises:
            SourceError: a file cannot be read.
        """
        counts: dict[int, int] = {}
        for partition, path in enumerate(self._paths):
            with _file_errors(path):
                size = path.stat().st_size
            counts[partition] = size * (_PACKED if path.suffix in _COMPRESSIONS else 1) // _EVENT_BYTES
        return counts

    def read(self, partitions: Sequence[int]) -> Iterator[RecordBatch]:
        """Yield the events of some files: each file's in the order of its lines, all together by time.

        Raises:
            SourceError: a file cannot be read, or a line is no event; names file and line.
        """
        for partition in partitions:
            with _file_errors(self._paths[partition]):
                self._wanted_bytes += self._paths[partition].stat().st_size
        waiting: list[tuple[int, int, RecordBatch, Iterator[RecordBatch]]] = []
        for partition in partitions:
            batches = self._read_file(partition)
            first = next(batches, None)
            if first is not None:
                waiting.append((first.timestamps_ms[0], partition, first, batches))
        heapify(waiting)
        while waiting:
            _, partition, batch, batches = waiting[0]
            yield batch
            following = next(batches, None)
            if following is None:
                waiting[0] = waiting[-1]
                waiting.pop()
                heapify(waiting)
            else:
                heapreplace(waiting, (following.timestamps_ms[0], partition, following, batches))

    def _read_file(self, partition: int) -> Iterator[RecordBatch]:
        path = self._paths[partition]
        number = 0
        for lines, read_bytes in _read_lines(path):
            self._read_bytes[partition] = read_bytes
            batch = self._decode(path, partition, number, lines)
            number += len(lines)
            if batch.offsets:
                yield batch

    def _decode(self, path: Path, partition: int, first: int, lines: list[bytes]) -> RecordBatch:
        offsets: list[int] = []
        timestamps_ms: list[int] = []
        payloads: list[bytes] = []
        for offset, line in enumerate(lines, first):
            moment = read_time(line)
            if moment is None:
                if not line.strip():
                    continue
                raise SourceError(
                    f"{path}, line {offset + 1}, is no event: a JSON object with a time in `occurred_at` was expected. "
                    "Give files as the setting `events_file` or `tokentrail simulate --out` writes them."
                )
            if self._within is None or self._within.holds(moment):
                offsets.append(offset)
                timestamps_ms.append(to_microseconds(moment) // 1000)
                payloads.append(line)
        return RecordBatch(partition, offsets, timestamps_ms, payloads)


def _read_lines(path: Path) -> Iterator[tuple[list[bytes], int]]:
    """Yield some lines at a time, without their ends, and how many bytes of the file have been read."""
    rest = b""
    with _file_errors(path), _open(path) as (file, stream):
        while chunk := stream.read(CHUNK_BYTES):
            lines = chunk.split(b"\n")
            lines[0] = rest + lines[0]
            rest = lines.pop()
            if lines:
                yield lines, file.tell()
        if rest:
            yield [rest], file.tell()


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a file; yields it, and the stream of what is in it."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        compression = _COMPRESSIONS.get(path.suffix)
        if compression is None:
            yield file, file
        else:
            with pa.CompressedInputStream(file, compression) as stream:
                yield file, stream


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror or error}); check the name and the file.") from error
