"""Reads the archive back, in the order in which it was appended, for replay."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from tokentrail.processors.event_range import EventRange, to_microseconds
from tokentrail.processors.slicing import RecordBatch
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.erasure.opened_log import SealedOpener, sealed_opener

STEP_ROWS: Final = 40_000
"""Rows held at once, over all partitions; a single second that has more is read whole."""
_HOUR: Final = timedelta(hours=1)

# A record that is not rejected and whose clock is not suspect was appended within these bounds of what it says.
_IN_RANGE: Final = """
    appended_at >= fromUnixTimestamp64Milli({appended_since_ms:Int64}, 'UTC')
    AND appended_at <= fromUnixTimestamp64Milli({appended_until_ms:Int64}, 'UTC')
    AND occurred_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
    AND occurred_at < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')
    AND event_type != ''
"""
_READ: Final = ("kafka_offset", "appended_ms", "payload", "subject_key_id", "sealed")
_Step = dict[int, tuple[int, int]]
"""First and last offset to read by partition."""


class ArchiveLog:
    """The archived events of a range of event time, watermark records by their watermark; a `LogSource`.

    What was sealed is opened with the keys of the settings; of erased subjects, and without keys, events come without
    their personal fields. Rejected records are left out, and so is what was appended more than 5 minutes before or 7
    days after the range: its clock is suspect.
    """

    def __init__(self, settings: Settings, within: EventRange) -> None:
        self._settings = settings
        self._table = f"`{settings.clickhouse_database}`.event_log"
        self._bounds = {
            "since_us": to_microseconds(within.since),
            "until_us": to_microseconds(within.until),
            "appended_since_ms": within.appended_since_ms,
            "appended_until_ms": within.appended_until_ms,
        }
        self._read = self._wanted = 0

    @property
    def fraction(self) -> float:
        """How much has been read, by rows."""
        return self._read / self._wanted if self._wanted else 0.0

    def count_by_partition(self) -> dict[int, int]:
        """Return the Kafka partitions that have records in the range, and how many. Blocking.

        Raises:
            EngineError: the engine cannot be reached or refuses.
        """
        client = connect(self._settings)
        try:
            with engine_errors(self._settings):
                return {
                    int(partition): int(count)
                    for partition, count in client.query(
                        f"SELECT kafka_partition, count() FROM {self._table} WHERE {_IN_RANGE} GROUP BY 1",  # noqa: S608  # the name is checked by Settings
                        self._bounds,
                    ).result_rows
                }
        finally:
            client.close()

    def read(self, partitions: Sequence[int]) -> Iterator[RecordBatch]:
        """Yield the records of some partitions. Blocking; memory is that of one step.

        Each partition's records come in offset order, and the partitions go forward together in append time, second by
        second where there is much.

        Raises:
            EngineError: the engine cannot be reached or refuses.
        """
        wanted = set(partitions)
        self._wanted += sum(count for partition, count in self.count_by_partition().items() if partition in wanted)
        client = connect(self._settings)
        try:
            with engine_errors(self._settings), sealed_opener(self._settings.subject_keys) as opener:
                done: dict[int, int] = {}
                for step in self._steps(client, wanted):
                    todo = {
                        partition: (begin, last)
                        for partition, (first, last) in sorted(step.items())
                        if (begin := max(first, done.get(partition, -1) + 1)) <= last
                    }
                    done.update({partition: last for partition, (_, last) in todo.items()})
                    for batch in self._read_step(client, opener, todo) if todo else ():
                        self._read += len(batch.offsets)
                        yield batch
        finally:
            client.close()

    def _steps(self, client: Client, wanted: set[int]) -> Iterator[_Step]:
        """Cut the range into stretches of append time that hold about STEP_ROWS."""
        hours = client.query(
            f"SELECT DISTINCT toStartOfHour(appended_at) AS hour FROM {self._table} WHERE {_IN_RANGE} ORDER BY hour",  # noqa: S608  # the name is checked by Settings
            self._bounds,
        ).result_rows
        step: _Step = {}
        rows = 0
        for (hour,) in hours:
            seconds = self._seconds_of(client, hour, wanted)
            for _, parts in groupby(seconds, key=lambda row: row[0]):
                for _, partition, first, last, count in parts:
                    low, high = step.get(partition, (first, last))
                    step[partition] = (min(low, first), max(high, last))
                    rows += count
                if rows >= STEP_ROWS:
                    yield step
                    step, rows = {}, 0
        if step:
            yield step

    def _seconds_of(self, client: Client, hour: datetime, wanted: set[int]) -> Sequence[Sequence[Any]]:
        begin_ms = to_microseconds(hour) // 1000
        return client.query(
            f"""
            SELECT toStartOfSecond(appended_at) AS second, kafka_partition,
                   min(kafka_offset), max(kafka_offset), count()
            FROM {self._table}
            WHERE {_IN_RANGE} AND appended_at >= fromUnixTimestamp64Milli({{begin_ms:Int64}}, 'UTC')
              AND appended_at < fromUnixTimestamp64Milli({{end_ms:Int64}}, 'UTC')
              AND kafka_partition IN {{partitions:Array(UInt32)}}
            GROUP BY second, kafka_partition ORDER BY second
            """,  # noqa: S608  # the name is checked by Settings
            {
                **self._bounds,
                "begin_ms": begin_ms,
                "end_ms": begin_ms + _HOUR // timedelta(milliseconds=1),
                "partitions": sorted(wanted),
            },
        ).result_rows

    def _read_step(self, client: Client, opener: SealedOpener, step: _Step) -> Iterator[RecordBatch]:
        stretches = " OR ".join(
            f"(kafka_partition = {partition} AND kafka_offset BETWEEN {first} AND {last})"
            for partition, (first, last) in step.items()
        )
        table = client.query_arrow(
            f"""
            SELECT kafka_partition, kafka_offset, toUnixTimestamp64Milli(appended_at) AS appended_ms,
                   payload, subject_key_id, sealed
            FROM {self._table} WHERE ({stretches}) AND {_IN_RANGE}
            ORDER BY kafka_partition, kafka_offset
            """,  # noqa: S608  # the name is checked by Settings, the rest are numbers
            self._bounds,
            use_strings=False,
        )
        return _cut_by_partition(table, opener)


def _cut_by_partition(table: pa.Table, opener: SealedOpener) -> Iterator[RecordBatch]:
    """Yield a batch for each partition of a table that is sorted by partition; payloads opened where they can be."""
    partitions = table["kafka_partition"].to_pylist()
    begin = 0
    for partition, run in groupby(partitions):
        length = sum(1 for _ in run)
        part = table.slice(begin, length)
        begin += length
        offsets, appended_ms, *stored = (part[name].to_pylist() for name in _READ)
        yield RecordBatch(partition, offsets, appended_ms, opener.open(partition, offsets, *stored))
