"""Reads the archive back, in the order in which it was appended, for replay."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

import msgspec
from clickhouse_connect.driver.client import Client

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.ledger_block import CLOCK_AHEAD_MS, CLOCK_BEHIND_MS

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


class EventBatch(msgspec.Struct, frozen=True):
    """Records of one Kafka partition in offset order, column by column."""

    kafka_partition: int
    offsets: list[int]
    appended_ms: list[int]
    payloads: list[bytes]


def list_partitions(settings: Settings, since: datetime, until: datetime) -> list[int]:
    """Return the Kafka partitions that have records in a range; see `read_event_log`. Blocking.

    Raises:
        EngineError: the engine cannot be reached or refuses.
    """
    client = connect(settings)
    try:
        with engine_errors(settings):
            rows = client.query(
                f"SELECT DISTINCT kafka_partition FROM {_table(settings)} WHERE {_IN_RANGE} ORDER BY kafka_partition",  # noqa: S608  # the name is checked by Settings
                _range(since, until),
            ).result_rows
    finally:
        client.close()
    return [int(row[0]) for row in rows]


def read_event_log(settings: Settings, since: datetime, until: datetime) -> Iterator[EventBatch]:
    """Yield the archived events with `since` <= occurred_at < `until`, watermark records by their watermark. Blocking.

    Each partition's records come in offset order, and the partitions go forward together in append time, second by
    second where there is much. Rejected records are left out, and so is what was
    appended more than 5 minutes before or 7 days after the range: its clock is suspect. Memory is that of one step.

    Raises:
        EngineError: the engine cannot be reached or refuses.
    """
    client = connect(settings)
    try:
        with engine_errors(settings):
            done: dict[int, int] = {}
            for step in _steps(client, settings, since, until):
                for partition, (first, last) in sorted(step.items()):
                    begin = done[partition] + 1 if partition in done else first
                    if last < begin:
                        continue
                    done[partition] = last
                    batch = _read(client, settings, _range(since, until), (partition, begin, last))
                    if batch.offsets:
                        yield batch
    finally:
        client.close()


_Step = dict[int, tuple[int, int]]
"""First and last offset to read by partition."""


def _steps(client: Client, settings: Settings, since: datetime, until: datetime) -> Iterator[_Step]:
    """Cut the range into stretches of append time that hold about STEP_ROWS."""
    bounds = _range(since, until)
    hours = client.query(
        f"SELECT DISTINCT toStartOfHour(appended_at) AS hour FROM {_table(settings)} WHERE {_IN_RANGE} ORDER BY hour",  # noqa: S608  # the name is checked by Settings
        bounds,
    ).result_rows
    step: _Step = {}
    rows = 0
    for (hour,) in hours:
        begin_ms = _milliseconds(hour)
        seconds = client.query(
            f"""
            SELECT toStartOfSecond(appended_at) AS second, kafka_partition,
                   min(kafka_offset), max(kafka_offset), count()
            FROM {_table(settings)}
            WHERE {_IN_RANGE} AND appended_at >= fromUnixTimestamp64Milli({{begin_ms:Int64}}, 'UTC')
              AND appended_at < fromUnixTimestamp64Milli({{end_ms:Int64}}, 'UTC')
            GROUP BY second, kafka_partition ORDER BY second
            """,  # noqa: S608  # the name is checked by Settings
            {**bounds, "begin_ms": begin_ms, "end_ms": begin_ms + _HOUR // timedelta(milliseconds=1)},
        ).result_rows
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


def _read(client: Client, settings: Settings, bounds: dict[str, int], stretch: tuple[int, int, int]) -> EventBatch:
    partition, first, last = stretch
    table = client.query_arrow(
        f"""
        SELECT kafka_offset, toUnixTimestamp64Milli(appended_at) AS appended_ms, payload FROM {_table(settings)}
        WHERE kafka_partition = {{partition:UInt32}} AND kafka_offset BETWEEN {{first:UInt64}} AND {{last:UInt64}}
          AND {_IN_RANGE}
        ORDER BY kafka_offset
        """,  # noqa: S608  # the name is checked by Settings
        {**bounds, "partition": partition, "first": first, "last": last},
        use_strings=False,
    )
    return EventBatch(partition, *(table[name].to_pylist() for name in ("kafka_offset", "appended_ms", "payload")))


def _table(settings: Settings) -> str:
    return f"`{settings.clickhouse_database}`.event_log"


def _range(since: datetime, until: datetime) -> dict[str, int]:
    since_ms, until_ms = _milliseconds(since), _milliseconds(until)
    return {
        "since_us": _microseconds(since),
        "until_us": _microseconds(until),
        "appended_since_ms": since_ms - CLOCK_AHEAD_MS,
        "appended_until_ms": until_ms + CLOCK_BEHIND_MS,
    }


def _milliseconds(moment: datetime) -> int:
    return _microseconds(moment) // 1000


def _microseconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
