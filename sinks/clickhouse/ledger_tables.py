"""The ledger's tables as the writer sees them: insert a block, ask what is stored, mend what a crash left.

Every insert is one part per table, so each table holds all of a block or nothing of it. A crash between them leaves
`calls`, or a rollup of it, behind or ahead of `event_log` by at most the last block of a partition; `recover` makes
them equal. Everything here is blocking and safe to repeat.
"""

import threading
import time
import uuid
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime
from typing import Final

import msgspec
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from tokentrail.errors import EngineError, LedgerError
from tokentrail.processors.pricing import Rates
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.ledger_block import MAX_ROWS, Block
from tokentrail.sinks.clickhouse.rate_rows import RATE_COLUMNS, rate_row
from tokentrail.sinks.clickhouse.retention import FOREVER, kept_since
from tokentrail.sinks.clickhouse.rollup_repair import Recent, RollupRepair
from tokentrail.sinks.clickhouse.sealed_block import ARCHIVED_COLUMNS, BlockSealer

INSERT_TIMEOUT_S: Final = 120
UNKNOWN_MS: Final = -1
SETTLE_S: Final = 30
"""How long an earlier insert may go on before it is killed."""

# One block is one part, in every table; the writer's own offsets make sure that nothing is written twice, and a
# server's deduplication would swallow a block that is written again after `calls` was mended.
ONE_PART: Final = {
    "async_insert": 0,
    "insert_deduplicate": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 0,
    "materialized_views_ignore_errors": 0,
    "max_insert_block_size": 4 * MAX_ROWS,
    "min_insert_block_size_rows": 4 * MAX_ROWS,
    "min_insert_block_size_bytes": 1 << 30,
    "max_block_size": 4 * MAX_ROWS,
    "max_insert_threads": 1,
}


class Tail(msgspec.Struct, frozen=True):
    """The last stored record of a partition."""

    last_offset: int
    last_appended_ms: int
    """`UNKNOWN_MS` where the record itself was dropped with its month."""


class _Stretch(msgspec.Struct, frozen=True):
    """The newest rows of one partition in event_log: what the last insert may have touched, and a block more."""

    partition: int
    kept_since_ms: int = 0
    first_offset: int = 0
    last_offset: int = -1
    first_appended_ms: int = 0
    last_appended_ms: int = 0
    calls: int = 0


class LedgerTables:
    """One writer's view; `name` tells its inserts from those of other trails on the same engine."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._database = f"`{settings.clickhouse_database}`"
        self._insert_ids = f"{name}/{settings.clickhouse_database}/"
        self._client: Client | None = None
        self._known_rates: set[int] | None = None
        self._sealer = BlockSealer(settings)
        # An insert whose caller gave it up still runs in its thread, and `recover` has to see what becomes of it.
        self._busy = threading.Lock()

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        client, self._client, self._known_rates = self._client, None, None
        if client is not None:
            client.close()
        self._sealer.close()

    def insert(self, block: Block) -> None:
        """Write a block into event_log, calls and the rollups; returns once all of them hold it.

        Raises:
            EngineError: it is not known which of the tables hold it: `recover` tells.
        """
        with self._busy, engine_errors(self._settings):
            self._ensure_rates(block.rates.values())
            with self._sealer.sealed(block.table) as rows:
                self._send(rows, block.last_offsets)
            # What the engine says that it wrote has the rollups' rows in it, whose number nobody else knows.
            expected, held = (block.table.num_rows, block.completed_calls), self._held(block)
            if held[0] < expected[0] or held[1] < expected[1]:
                raise EngineError(
                    f"ClickHouse at {self._settings.clickhouse_address} took {held[0]} of {expected[0]} rows into "
                    f"event_log and {held[1]} of {expected[1]} into calls."
                )

    def recover(self, partitions: Collection[int]) -> dict[int, Tail]:
        """Wait out earlier inserts, make `calls` and the rollups equal to `event_log`; return each one's last record.

        Raises:
            LedgerError: event_log holds records twice; the message has the statement that removes the second copies.
            EngineError: the engine cannot be reached or refuses.
        """
        with self._busy, engine_errors(self._settings):
            self._known_rates = None
            self._settle(partitions)
            # Months before this may have been dropped from one of the tables: there, nothing is compared.
            kept = kept_since(self._settings, datetime.now(UTC), "event_log", "calls")
            stretches = [self._stretch(partition, kept) for partition in sorted(partitions)]
            for stretch in stretches:
                self._mend(stretch)
            recent = [Recent(s.partition, s.first_offset, max(s.first_appended_ms, 0)) for s in stretches]
            database = self._settings.clickhouse_database
            with self._sealer.inserting():
                RollupRepair(self._connected(), database, self._insert_settings, kept).repair(recent)
            tails = {s.partition: Tail(s.last_offset, s.last_appended_ms) for s in stretches if s.last_offset >= 0}
            return tails if kept == FOREVER else {**self._tails_of_old_months(partitions), **tails}

    def _send(self, rows: pa.Table, partitions: Iterable[int]) -> None:
        self._connected().raw_insert(
            f"{self._database}.events_in",
            rows.schema.names,
            # A buffer, not bytes: the client sends bytes once more when the connection breaks, and the first time may
            # have landed.
            _arrow_file(rows),
            settings=self._insert_settings(partitions),
            # The file format ends with a footer: half a body is an error, never half a block.
            fmt="Arrow",
        )

    def _connected(self) -> Client:
        if self._client is None:
            self._client = connect(self._settings, timeout_s=INSERT_TIMEOUT_S)
        return self._client

    def _insert_settings(self, partitions: Iterable[int]) -> dict[str, str | int]:
        name = f"{self._insert_ids}{uuid.uuid4()}/{','.join(map(str, sorted(partitions)))}"
        # Twice: the embedded engine makes up query ids of its own, and a proxy may too.
        return {**ONE_PART, "query_id": name, "log_comment": name}

    def _held(self, block: Block) -> tuple[int, int]:
        """Count a block's rows in event_log and in calls."""
        measured = [("kafka_offset", "min"), ("kafka_offset", "max"), ("appended_at", "min")]
        bounds = block.table.group_by("kafka_partition").aggregate(measured).to_pylist()
        if not bounds:
            return 0, 0
        stretches = " OR ".join(
            f"kafka_partition = {row['kafka_partition']} "
            f"AND kafka_offset BETWEEN {row['kafka_offset_min']} AND {row['kafka_offset_max']}"
            for row in bounds
        )
        # It only prunes: `calls` is not in order of offsets.
        since_s = int(min(row["appended_at_min"] for row in bounds).timestamp())
        in_block = f"({stretches}) AND appended_at >= toDateTime({since_s}, 'UTC')"
        query = ", ".join(
            f"(SELECT count() FROM {self._database}.{table} WHERE {in_block})"  # noqa: S608  # numbers, and a name that Settings checks
            for table in ("event_log", "calls")
        )
        archived, calls = self._connected().query(f"SELECT {query}").result_rows[0]
        return int(archived), int(calls)

    def _ensure_rates(self, needed: Iterable[Rates]) -> None:
        client = self._connected()
        if self._known_rates is None:
            rows = client.query(f"SELECT DISTINCT rate_id FROM {self._database}.model_rates").result_rows  # noqa: S608  # the name is checked by Settings
            self._known_rates = {row[0] for row in rows}
        missing = [rates for rates in needed if rates.rate_id not in self._known_rates]
        if missing:
            client.insert(f"{self._database}.model_rates", [rate_row(rates) for rates in missing], RATE_COLUMNS)
            self._known_rates.update(rates.rate_id for rates in missing)

    def _settle(self, partitions: Collection[int]) -> None:
        """Return once no insert into these partitions runs any more: a writer that was killed leaves one behind."""
        client = self._connected()
        deadline_s = time.monotonic() + SETTLE_S
        while running := self._running_inserts(partitions):
            if time.monotonic() > deadline_s:
                client.command("KILL QUERY WHERE query_id IN {ids:Array(String)} SYNC", {"ids": running})
                deadline_s = time.monotonic() + SETTLE_S
            time.sleep(0.05)

    def _running_inserts(self, partitions: Collection[int]) -> list[str]:
        """Return the engine's own ids of them."""
        rows = self._connected().query(
            """
            SELECT query_id, if(startsWith(query_id, {ours:String}), query_id, Settings['log_comment']) AS name
            FROM system.processes WHERE startsWith(name, {ours:String})
            """,
            {"ours": self._insert_ids},
        )
        wanted = set(partitions)
        return [
            str(query_id)
            for query_id, name in rows.result_rows
            if not wanted.isdisjoint(map(int, name.rpartition("/")[2].split(",")))
        ]

    def _tails_of_old_months(self, partitions: Collection[int]) -> dict[int, Tail]:
        """Return the last offsets that are known of partitions, from whatever was kept longest."""
        rows = (
            self._connected()
            .query(
                f"""
            SELECT kafka_partition, max(last_offset), argMax(appended_ms, last_offset) FROM (
                SELECT kafka_partition, max(kafka_offset) AS last_offset,
                    toUnixTimestamp64Milli(argMax(appended_at, kafka_offset)) AS appended_ms
                FROM {self._database}.event_log GROUP BY kafka_partition
                UNION ALL
                SELECT kafka_partition, max(last_offset), {UNKNOWN_MS} FROM {self._database}.calls_day
                GROUP BY kafka_partition
            ) WHERE kafka_partition IN {{partitions:Array(UInt32)}} GROUP BY kafka_partition
            """,  # noqa: S608  # the name is checked by Settings
                {"partitions": sorted(partitions)},
            )
            .result_rows
        )
        return {int(partition): Tail(int(last), int(appended_ms)) for partition, last, appended_ms in rows}

    def _stretch(self, partition: int, kept: date) -> _Stretch:
        row = (
            self._connected()
            .query(
                f"""
            SELECT count(), min(kafka_offset), max(kafka_offset), toUnixTimestamp64Milli(min(appended_at)),
                   toUnixTimestamp64Milli(argMax(appended_at, kafka_offset)),
                   countIf(event_type = 'llm.call.completed'), uniqExact(kafka_offset)
            FROM (
                SELECT kafka_offset, appended_at, event_type FROM {self._database}.event_log
                WHERE kafka_partition = {{partition:UInt32}} AND appended_at >= {{kept:Date}}
                ORDER BY kafka_offset DESC LIMIT {{limit:UInt32}}
            )
            """,  # noqa: S608  # the name is checked by Settings
                {"partition": partition, "limit": 2 * MAX_ROWS, "kept": kept},
                {"optimize_read_in_order": 1},
            )
            .result_rows[0]
        )
        if row[0] != row[6]:
            raise self._doubled(partition, row[1], row[2])
        since_ms = max(0, int((kept - FOREVER).total_seconds()) * 1000)
        return _Stretch(partition, since_ms, *row[1:6]) if row[0] else _Stretch(partition, since_ms)

    def _doubled(self, partition: int, first: int, last: int) -> LedgerError:
        # The operator's to run: the engine writes the whole month anew for it, and no writer of ours deletes from the
        # archive on its own.
        months, low, high = (
            self._connected()
            .query(
                f"""
                SELECT arraySort(groupUniqArray(toYYYYMM(appended_at))), min(kafka_offset), max(kafka_offset)
                FROM {self._database}.event_log
                WHERE kafka_partition = {{partition:UInt32}} AND kafka_offset IN (
                    SELECT kafka_offset FROM {self._database}.event_log
                    WHERE kafka_partition = {{partition:UInt32}}
                      AND kafka_offset BETWEEN {{first:Int64}} AND {{last:Int64}}
                    GROUP BY kafka_offset HAVING count() > 1)
                """,  # noqa: S608  # the name is checked by Settings
                {"partition": partition, "first": first, "last": last},
            )
            .result_rows[0]
        )
        statements = "; ".join(
            f"OPTIMIZE TABLE {self._settings.clickhouse_database}.event_log PARTITION {month} FINAL "
            f"DEDUPLICATE BY kafka_partition, kafka_offset, appended_at"
            for month in months
        )
        return LedgerError(
            f"event_log holds records of partition {partition} twice, offsets {low} to {high}: two writers wrote at "
            f"once. No record is lost. Stop the ledger writers, let ClickHouse at {self._settings.clickhouse_address} "
            f"remove the second copies ({statements}), and start them again; calls is then mended by itself."
        )

    def _mend(self, stretch: _Stretch) -> None:
        held = (
            self._connected()
            .query(
                f"""
            SELECT countIf(kafka_offset <= {{last:Int64}}), uniqExactIf(kafka_offset, kafka_offset <= {{last:Int64}}),
                   countIf(kafka_offset > {{last:Int64}})
            FROM {self._database}.calls WHERE {_IN_STRETCH}
            """,  # noqa: S608  # the name is checked by Settings
                _parameters(stretch),
            )
            .result_rows[0]
        )
        inside, different, ahead = (int(count) for count in held)
        if ahead or inside != different:
            # Ahead: the view's part landed and the source's did not. Those rows come again, with the source. What the
            # source holds by now is another writer's, to whom the partition went in the meantime.
            first = stretch.first_offset if inside != different else stretch.last_offset + 1
            self._connected().command(
                f"""
                DELETE FROM {self._database}.calls WHERE {_IN_STRETCH}
                  AND (kafka_offset BETWEEN {{from:Int64}} AND {{last:Int64}} OR kafka_offset NOT IN (
                      SELECT kafka_offset FROM {self._database}.event_log
                      WHERE kafka_partition = {{partition:UInt32}} AND kafka_offset >= {{first:Int64}}))
                """,  # noqa: S608  # the name is checked by Settings
                {**_parameters(stretch), "from": first},
                settings={"lightweight_deletes_sync": 2},
            )
        if inside != stretch.calls:
            self._fill(stretch)

    def _fill(self, stretch: _Stretch) -> None:
        """Send what `calls` lacks through its view once more."""
        rows = self._connected().query_arrow(
            f"""
            SELECT {", ".join(ARCHIVED_COLUMNS)} FROM {self._database}.event_log
            WHERE kafka_partition = {{partition:UInt32}} AND kafka_offset BETWEEN {{first:Int64}} AND {{last:Int64}}
              AND event_type = 'llm.call.completed'
              AND kafka_offset NOT IN (SELECT kafka_offset FROM {self._database}.calls WHERE {_IN_STRETCH})
            """,  # noqa: S608  # the name is checked by Settings
            _parameters(stretch),
            use_strings=False,
        )
        with self._sealer.opened(rows) as opened:
            self._send(opened, [stretch.partition])


# A quarter of the bytes: copying the others on their way to columns costs the engine twice what compressing costs here.
_ARROW: Final = pa.ipc.IpcWriteOptions(compression="lz4")


def _arrow_file(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=_ARROW) as arrow_file:
        arrow_file.write_table(table, max_chunksize=table.num_rows)
    return sink.getvalue()


# `appended_at` only prunes: the broker's clock may have stepped back a little within the stretch.
_IN_STRETCH: Final = (
    "kafka_partition = {partition:UInt32} AND kafka_offset >= {first:Int64}"
    " AND appended_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC') - INTERVAL 1 HOUR"
)


def _parameters(stretch: _Stretch) -> dict[str, int]:
    return {
        "partition": stretch.partition,
        "first": stretch.first_offset,
        "last": stretch.last_offset,
        "since_ms": max(stretch.first_appended_ms, stretch.kept_since_ms + 3_600_000),
    }
