"""What integrity reads and writes in ClickHouse: rows of the log, rates, checkpoints, findings. Blocking."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.integrity.checkpoint import SignedCheckpoint
from tokentrail.sinks.integrity.covered_rows import ErasedRow
from tokentrail.sinks.integrity.expected_calls import COLUMNS as CALL_COLUMNS
from tokentrail.sinks.integrity.findings import ChainFollower, Finding, finding_table, load_follower, save_follower
from tokentrail.sinks.integrity.log_rows import COLUMNS as LOG_COLUMNS
from tokentrail.sinks.integrity.log_rows import LogRows, read_rows
from tokentrail.sinks.integrity.verification import RATE_COLUMNS, Batch

BATCH_ROWS: Final = 20_000
_CHECKPOINTS: Final = pa.schema(
    [
        ("number", pa.uint64()),
        ("made_at", pa.timestamp("us", "UTC")),
        ("key_id", pa.string()),
        ("records", pa.uint64()),
        ("body", pa.string()),
        ("signature", pa.binary(64)),
    ]
)
# Dictionaries as they are stored, and no compression of Arrow's own: the engine and the reader have less to do.
_BULK: Final[dict[str, str | int]] = {
    "output_format_arrow_compression_method": "none",
    "output_format_arrow_low_cardinality_as_dictionary": 1,
}
# Ours are written once by whoever holds the work, and the engine would take two equal blocks for one.
_ONCE: Final = {"async_insert": 0, "insert_deduplicate": 0}


class Window(NamedTuple):
    """Offsets of a partition, the last included."""

    first: int
    last: int


class IntegrityTables:
    """One connection. Every method raises EngineError where the engine cannot be reached or refuses."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._database = f"`{settings.clickhouse_database}`"
        self._client: Client | None = None

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def partitions(self) -> list[int]:
        """Return the partitions that event_log or calls have rows of."""
        names = ("event_log", "calls")
        tables = " UNION DISTINCT ".join(
            f"SELECT DISTINCT kafka_partition AS partition FROM {self._database}.{name}"  # noqa: S608  # the name is checked by Settings
            for name in names
        )
        return [int(row[0]) for row in self._rows(f"SELECT partition FROM ({tables}) ORDER BY partition")]  # noqa: S608  # as above

    def end(self, partition: int) -> tuple[int, int]:
        """Return a partition's last offset in event_log and when it was appended, in ms; -1 and 0 without any."""
        rows = self._rows(
            f"SELECT kafka_offset, toUnixTimestamp64Milli(appended_at) FROM {self._database}.event_log "  # noqa: S608  # as above
            "WHERE kafka_partition = {partition:UInt32} ORDER BY kafka_offset DESC LIMIT 1",
            {"partition": partition},
        )
        return (int(rows[0][0]), int(rows[0][1])) if rows else (-1, 0)

    def new_rows(self, next_offsets: Mapping[int, int]) -> list[LogRows]:
        """Return some of what event_log holds behind these offsets, by partition, each offset once; nothing at its end.

        Stretches of offsets and no LIMIT: the engine would sort all that is there to find the first ones.
        """
        step = max(1, BATCH_ROWS // max(1, len(next_offsets)))
        found = self._log_from(next_offsets, step)
        if not found:
            # Kafka may have let go of millions of offsets before the ledger began.
            # Asked from the same offsets on: a block may have come since.
            found = self._log_from(self._firsts(next_offsets), step)
        return found

    def _log_from(self, offsets: Mapping[int, int], step: int) -> list[LogRows]:
        if not offsets:
            return []
        where = " OR ".join(
            f"(kafka_partition = {partition} AND kafka_offset BETWEEN {offset} AND {offset + step - 1})"
            for partition, offset in offsets.items()
        )
        table = self._arrow(
            f"SELECT kafka_partition, {', '.join(LOG_COLUMNS)} FROM {self._database}.event_log WHERE {where} "  # noqa: S608  # numbers, and as above
            "ORDER BY kafka_partition, kafka_offset"
        )
        return [read_rows(partition, _once(part)) for partition, part in _by_partition(table).items()]

    def _firsts(self, offsets: Mapping[int, int]) -> dict[int, int]:
        """Return the first offset at or behind these, of partitions that have one."""
        if not offsets:
            return {}
        where = " OR ".join(
            f"(kafka_partition = {partition} AND kafka_offset >= {offset})" for partition, offset in offsets.items()
        )
        rows = self._rows(
            f"SELECT kafka_partition, min(kafka_offset) FROM {self._database}.event_log WHERE {where} GROUP BY 1"  # noqa: S608  # as above
        )
        return {int(partition): int(first) for partition, first in rows}

    def windows(self, stretches: Mapping[int, Window]) -> Iterator[tuple[int, Batch]]:
        """Yield log and calls of stretches of offsets, ends included, partition by partition.

        The calls of all at once: they are not in order of offsets, and each question reads about as much of them. They
        are sorted here, and the log is asked for where the engine has it sorted: for half of what it costs there.
        """
        where = " OR ".join(
            f"(kafka_partition = {partition} AND kafka_offset BETWEEN {window.first} AND {window.last})"
            for partition, window in stretches.items()
        )
        calls = self._arrow(
            f"SELECT kafka_partition, {', '.join(CALL_COLUMNS)} FROM {self._database}.calls WHERE {where}",  # noqa: S608  # as above
            settings=_BULK,
            strings=True,
        ).combine_chunks()
        order = np.lexsort([calls[name].to_numpy() for name in ("kafka_offset", "kafka_partition")])
        called = _by_partition(calls.take(pa.array(order)))
        for partition, window in stretches.items():
            yield partition, Batch(self._log(partition, window), called.get(partition, calls.slice(0, 0)))

    def _log(self, partition: int, window: Window) -> pa.Table:
        return self._arrow(
            f"SELECT {', '.join(LOG_COLUMNS)} FROM {self._database}.event_log WHERE kafka_partition = "  # noqa: S608  # as above
            "{partition:UInt32} AND kafka_offset BETWEEN {first:UInt64} AND {last:UInt64} ORDER BY kafka_offset",
            {"partition": partition, "first": window.first, "last": window.last},
            settings=_BULK,
        )

    def next_stored(self, partition: int, offset: int, last: int) -> int | None:
        """Return the first offset from one on that log or calls hold, None where there is none up to the last."""
        where = "WHERE kafka_partition = {partition:UInt32} AND kafka_offset BETWEEN {first:UInt64} AND {last:UInt64}"
        bounds = {"partition": partition, "first": offset, "last": last}
        firsts = [
            rows[0][0]
            for table in ("event_log", "calls")
            if (rows := self._rows(f"SELECT min(kafka_offset), count() FROM {self._database}.{table} {where}", bounds))  # noqa: S608  # as above
            and rows[0][1]
        ]
        return min(firsts, default=None)

    def log_rows(self, partition: int, first_offset: int, last_offset: int) -> Iterator[LogRows]:
        """Yield the log of a stretch of offsets, ends included, in steps."""
        for begin in range(first_offset, last_offset + 1, BATCH_ROWS):
            log = self._log(partition, Window(begin, min(begin + BATCH_ROWS - 1, last_offset)))
            if log.num_rows:
                yield read_rows(partition, log)

    def calls_behind(self, partition: int, last_offset: int) -> list[int]:
        """Return the offsets of calls behind an offset that event_log has no record of."""
        return [
            int(row[0])
            for row in self._rows(
                f"""
                SELECT kafka_offset FROM {self._database}.calls
                WHERE kafka_partition = {{partition:UInt32}} AND kafka_offset > {{last:Int64}}
                  AND kafka_offset NOT IN (
                    SELECT kafka_offset FROM {self._database}.event_log
                    WHERE kafka_partition = {{partition:UInt32}} AND kafka_offset > {{last:Int64}})
                ORDER BY kafka_offset LIMIT 1000
                """,  # noqa: S608  # as above
                {"partition": partition, "last": last_offset},
            )
        ]

    def rates(self) -> list[dict[str, Any]]:
        """Return the rows of `model_rates`."""
        rows = self._rows(f"SELECT {', '.join(RATE_COLUMNS)} FROM {self._database}.model_rates")  # noqa: S608  # as above
        return [dict(zip(RATE_COLUMNS, row, strict=True)) for row in rows]

    def receipts(self) -> list[tuple[str, str]]:
        """Return the finished erasures: id and signed receipt."""
        rows = self._rows(
            f"SELECT DISTINCT erasure_id, receipt FROM {self._database}.erasures WHERE receipt != '' ORDER BY 1"  # noqa: S608  # as above
        )
        return [(str(erasure_id), str(receipt)) for erasure_id, receipt in rows]

    def erased_rows(self) -> list[ErasedRow]:
        """Return the places of what was erased."""
        table = self._arrow(
            "SELECT erasure_id, topic, kafka_partition, kafka_offset, stored_sha256 "  # noqa: S608  # as above
            f"FROM {self._database}.erased_rows"
        )
        names, topics = (
            [value.decode() for value in table[column].cast(pa.binary()).to_pylist()]
            for column in ("erasure_id", "topic")
        )
        numbers = (table[column].to_pylist() for column in ("kafka_partition", "kafka_offset", "stored_sha256"))
        return [ErasedRow(*row) for row in zip(names, topics, *numbers, strict=True)]

    def checkpoints(self) -> list[SignedCheckpoint]:
        """Return all checkpoints, by number."""
        table = self._arrow(f"SELECT body, signature FROM {self._database}.checkpoints ORDER BY number")  # noqa: S608  # as above
        return [
            SignedCheckpoint(body, signature)
            for body, signature in zip(table["body"].to_pylist(), table["signature"].to_pylist(), strict=True)
        ]

    def last_checkpoint(self) -> SignedCheckpoint | None:
        """Return the one with the highest number."""
        table = self._arrow(
            f"SELECT body, signature FROM {self._database}.checkpoints ORDER BY number DESC LIMIT 1"  # noqa: S608  # as above
        )
        if not table.num_rows:
            return None
        return SignedCheckpoint(table["body"][0].as_py(), table["signature"][0].as_py())

    def insert_checkpoint(self, signed: SignedCheckpoint) -> None:
        """Write one."""
        content = signed.read()
        if content is None:
            return
        row = {
            "number": content.number,
            "made_at": content.made_at,
            "key_id": content.key_id,
            "records": sum(one.records for one in content.ranges),
            "body": signed.body.decode(),
            "signature": signed.signature,
        }
        self._insert("checkpoints", pa.Table.from_pylist([row], _CHECKPOINTS))

    def followers(self) -> dict[int, ChainFollower]:
        """Return by partition how far the chains were followed."""
        table = self._arrow(
            f"SELECT state FROM {self._database}.ledger_follower ORDER BY next_offset DESC LIMIT 1 BY kafka_partition"  # noqa: S608  # as above
        )
        states = [load_follower(state) for state in table["state"].to_pylist()]
        return {state.partition: state for state in states if state is not None}

    def save_followers(self, followers: Sequence[ChainFollower]) -> None:
        """Keep how far the chains were followed; after their findings."""
        columns = {
            "kafka_partition": pa.array([one.partition for one in followers], pa.uint32()),
            "next_offset": pa.array([one.next_offset for one in followers], pa.uint64()),
            "state": pa.array([save_follower(one) for one in followers], pa.binary()),
        }
        self._insert("ledger_follower", pa.table(columns))

    def finding_ids(self, partition: int, since_offset: int) -> set[str]:
        """Return the ids of findings that became certain at an offset or later."""
        rows = self._rows(
            f"SELECT finding_id FROM {self._database}.ledger_findings "  # noqa: S608  # as above
            "WHERE kafka_partition = {partition:UInt32} AND known_at_offset >= {since:UInt64}",
            {"partition": partition, "since": since_offset},
        )
        return {str(row[0]) for row in rows}

    def insert_findings(self, found: Sequence[Finding]) -> None:
        """Write findings in one block."""
        self._insert("ledger_findings", finding_table(found))

    def _connected(self) -> Client:
        if self._client is None:
            self._client = connect(self._settings)
        return self._client

    def _rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        with engine_errors(self._settings):
            return self._connected().query(sql, dict(parameters or {})).result_rows

    def _arrow(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        settings: Mapping[str, str | int] | None = None,
        strings: bool = False,
    ) -> pa.Table:
        with engine_errors(self._settings):
            return self._connected().query_arrow(
                sql, dict(parameters or {}), settings=dict(settings or {}), use_strings=strings
            )

    def _insert(self, table: str, block: pa.Table) -> None:
        with engine_errors(self._settings):
            self._connected().insert_arrow(table, block, self._settings.clickhouse_database, dict(_ONCE))


def _by_partition(table: pa.Table) -> dict[int, pa.Table]:
    """Cut a table that is sorted by partition."""
    found = {}
    partitions = table["kafka_partition"].combine_chunks().to_numpy(zero_copy_only=False)
    for partition in np.unique(partitions):
        begin, end = np.searchsorted(partitions, partition, "left"), np.searchsorted(partitions, partition, "right")
        found[int(partition)] = table.slice(int(begin), int(end - begin))
    return found


def _once(table: pa.Table) -> pa.Table:
    """Leave out rows whose offset the row before has."""
    offsets = table["kafka_offset"].combine_chunks().to_numpy(zero_copy_only=False)
    first = np.concatenate(([True], offsets[1:] != offsets[:-1])) if len(offsets) else np.array([], bool)
    return table if first.all() else table.filter(pa.array(first))
