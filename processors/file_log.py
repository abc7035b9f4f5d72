"""The log in files of JSON lines, plain or compressed. A file has one of two forms.

Records, as the simulator writes them: `{"partition":0,"offset":7,"timestamp_ms":1767571200123,"event":{…}}`.

Events, as the setting `events_file` has them written: each file is a partition of its own (numbered in the order in
which the files are named, behind the partitions of the records), an event's offset is its line, counted from 0, and it
arrived at the moment at which it occurred: such a file does not say when it was written to.
"""

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heapreplace
from pathlib import Path
from typing import Final

import msgspec

from tokentrail.errors import SourceError
from tokentrail.processors.event_range import EventRange, read_time, to_microseconds
from tokentrail.processors.file_lines import COMPRESSIONS, read_lines, size_bytes
from tokentrail.processors.slicing import RecordBatch

_RECORD: Final = b'{"partition":'
_HEAD_BYTES: Final = len(_RECORD) + 11
"""As much of a line as holds any partition's number and the comma behind it."""
_EVENT_BYTES: Final = 900
"""What an event weighs, for estimates."""
_PACKED: Final = 6
"""How much smaller compressed events are, for estimates."""


class _Line(msgspec.Struct, gc=False):
    partition: int
    offset: int
    timestamp_ms: int
    event: msgspec.Raw


_decode_line = msgspec.json.Decoder(_Line).decode


class _File(msgspec.Struct):
    """A file and the partitions that it holds; `own`: it holds events, and is that partition."""

    path: Path
    partitions: dict[int, int]
    own: int | None = None


class FileLog:
    """Reads files; a `LogSource`. The partitions of files of records are found by reading them once beforehand."""

    def __init__(self, paths: Sequence[Path], within: EventRange | None = None) -> None:
        self._paths = list(paths)
        self._within = within
        self._found: list[_File] | None = None
        self._read_bytes: dict[Path, int] = {}
        self._wanted_bytes = 0

    @property
    def fraction(self) -> float:
        """How much of the files has been read, by bytes on disk."""
        return min(1.0, sum(self._read_bytes.values()) / self._wanted_bytes) if self._wanted_bytes else 0.0

    def count_by_partition(self) -> dict[int, int]:
        """Return the partitions, and how many records each has: of a file of events an estimate. Blocking.

        Raises:
            SourceError: a file cannot be read, or a line is no record.
        """
        counts: dict[int, int] = {}
        for file in self._look():
            for partition, count in file.partitions.items():
                counts[partition] = counts.get(partition, 0) + count
        return counts

    def read(self, partitions: Sequence[int]) -> Iterator[RecordBatch]:
        """Yield the records of some partitions: each file's in the order of its lines, all together by time.

        Raises:
            SourceError: a file cannot be read, or a line is not what it should be; names file and line.
        """
        wanted = set(partitions)
        files = [file for file in self._look() if wanted & file.partitions.keys()]
        self._wanted_bytes += sum(size_bytes(file.path) for file in files)
        waiting: list[tuple[int, int, RecordBatch, Iterator[RecordBatch]]] = []
        for number, file in enumerate(files):
            batches = self._read_file(file, wanted)
            first = next(batches, None)
            if first is not None:
                waiting.append((first.timestamps_ms[0], number, first, batches))
        heapify(waiting)
        while waiting:
            _, number, batch, batches = waiting[0]
            yield batch
            following = next(batches, None)
            if following is None:
                heappop(waiting)
            else:
                heapreplace(waiting, (following.timestamps_ms[0], number, following, batches))

    def _look(self) -> list[_File]:
        """Find out which form each file has, and its partitions; once."""
        if self._found is None:
            found = [_File(path, partitions=_scan(path)) for path in self._paths]
            behind = 1 + max((partition for file in found for partition in file.partitions), default=-1)
            for file in found:
                if not file.partitions:
                    packed = _PACKED if file.path.suffix in COMPRESSIONS else 1
                    file.own = behind
                    file.partitions = {behind: size_bytes(file.path) * packed // _EVENT_BYTES}
                    behind += 1
            self._found = found
        return self._found

    def _read_file(self, file: _File, wanted: set[int]) -> Iterator[RecordBatch]:
        number = 1
        for lines, read_bytes in read_lines(file.path):
            self._read_bytes[file.path] = read_bytes
            if file.own is None:
                yield from self._take_records(file.path, number, lines, wanted)
            else:
                batch = self._take_events(file.path, file.own, number, lines)
                if batch.offsets:
                    yield batch
            number += len(lines)

    def _take_events(self, path: Path, partition: int, first: int, lines: list[bytes]) -> RecordBatch:
        offsets: list[int] = []
        timestamps_ms: list[int] = []
        payloads: list[bytes] = []
        for number, line in enumerate(lines, first):
            moment = read_time(line)
            if moment is None:
                if not line.strip():
                    continue
                raise SourceError(
                    f"{path}, line {number}, is no event: a JSON object with a time in `occurred_at` was expected. "
                    "Give files as the setting `events_file` has them written, or `tokentrail simulate --out`."
                )
            if self._within is None or self._within.holds(moment):
                offsets.append(number - 1)
                timestamps_ms.append(to_microseconds(moment) // 1000)
                payloads.append(line)
        return RecordBatch(partition, offsets, timestamps_ms, payloads)

    def _take_records(self, path: Path, first: int, lines: list[bytes], wanted: set[int]) -> Iterator[RecordBatch]:
        taken: dict[int, list[_Line]] = {}
        for number, line in enumerate(lines, first):
            if _partition_of(path, number, line[:_HEAD_BYTES]) not in wanted:
                continue
            try:
                record = _decode_line(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise _no_record(path, number) from error
            taken.setdefault(record.partition, []).append(record)
        for partition, records in taken.items():
            batch = RecordBatch(
                partition,
                [record.offset for record in records],
                [record.timestamp_ms for record in records],
                [bytes(record.event) for record in records],
            )
            selected = self._within.select(batch) if self._within else batch
            if selected.offsets:
                yield selected


def _scan(path: Path) -> dict[int, int]:
    """Return how many records of each partition a file has; none if it is a file of events."""
    counts: dict[int, int] = {}
    heads: dict[bytes, int] = {}
    number = 1
    for lines, _ in read_lines(path):
        if number == 1 and not lines[0].startswith(_RECORD):
            return {}
        for line in lines:
            head = line[:_HEAD_BYTES]
            if head not in heads:
                partition = heads[head] = _partition_of(path, number, head)
            else:
                partition = heads[head]
            if partition >= 0:
                counts[partition] = counts.get(partition, 0) + 1
            number += 1
    return counts


def _partition_of(path: Path, number: int, head: bytes) -> int:
    """Return the partition that a line's first bytes name; -1 for an empty line."""
    digits, comma, _ = head[len(_RECORD) :].partition(b",")
    if comma and head.startswith(_RECORD) and digits.isdigit():
        return int(digits)
    if head.strip():
        raise _no_record(path, number)
    return -1


def _no_record(path: Path, number: int) -> SourceError:
    return SourceError(
        f'{path}, line {number}, is no record like the first: {{"partition":0,"offset":7,"timestamp_ms":…,"event":…}} '
        "was expected. Give records and events in files of their own."
    )
