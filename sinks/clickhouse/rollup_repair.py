"""Makes the rollups equal to `calls` for the Kafka partitions of one writer, whatever a crash left. Blocking.

Nobody else writes the rows of these partitions that come of calls, so that buckets can be deleted and filled again.
What is deleted is noted first, in `rollup_rebuilds`: whoever owns the partition next goes on from there.
"""

import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec
from clickhouse_connect.driver.client import Client

from tokentrail.sinks.clickhouse.rollups import (
    REBUILDS,
    ROLLUPS,
    SUMS_OF_CALLS,
    SUMS_OF_ROLLUP,
    BucketSums,
    Rollup,
    Sums,
    bucket_bounds,
    differing_buckets,
    select_from_part,
)

_MARGIN_S: Final = 3600
"""`appended_at` only prunes; it may be behind `time` by 5 minutes."""
_FIRST_FILL: Final = "first fill"
_CRASH: Final = "a crash between calls and its rollup"
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
Settings = Callable[[Collection[int]], dict[str, str | int]]


class Recent(msgspec.Struct, frozen=True):
    """Rows of one Kafka partition that the last inserts may have touched: from an offset on."""

    partition: int
    first_offset: int
    first_appended_ms: int


class _Rebuild(msgspec.Struct, frozen=True):
    """Buckets of one Kafka partition and rollup; none for all of them."""

    table: str
    partition: int
    name: str
    buckets: Sequence[int]


class RollupRepair:
    """One writer's; `settings_for` names its statements, so that the next owner can wait for those left behind."""

    def __init__(self, client: Client, database: str, settings_for: Settings, kept_since: date) -> None:
        self._client = client
        self._name = database
        self._database = f"`{database}`"
        self._settings_for = settings_for
        self._kept_since = kept_since
        """First month whose calls are all there: earlier ones may have been dropped, and their rollups stay."""

    def repair(self, recent: Sequence[Recent]) -> None:
        """Compare the buckets that recent rows touched, and rebuild those that differ; may be repeated at any point.

        Raises:
            LedgerError: a view was changed by hand.
        """
        partitions = [one.partition for one in recent]
        if not partitions:
            return
        self._finish_rebuilds(partitions)
        for rollup in ROLLUPS:
            touched = self._touched(rollup, recent)
            if touched:
                wanted, found = (
                    self._sums_of_calls(rollup, partitions, touched),
                    self._sums(rollup, partitions, touched),
                )
                differing = differing_buckets(wanted, found)
                todo = [_Rebuild(rollup.table, p, uuid.uuid4().hex, buckets) for p, buckets in differing.items()]
                self._note(todo, "begun", _CRASH)
                self._rebuild(rollup, todo)

    def _finish_rebuilds(self, partitions: Sequence[int]) -> None:
        """Do what an owner before began; fill what was there before the rollups were."""
        rows = self._client.query(
            f"""
            SELECT `rollup`, kafka_partition, rebuild_id, any(buckets), countIf(state = 'done') > 0 AS done
            FROM {self._database}.{REBUILDS} WHERE kafka_partition IN {{partitions:Array(UInt32)}}
            GROUP BY kafka_partition, `rollup`, rebuild_id
            """,  # noqa: S608  # names of ours
            {"partitions": list(partitions)},
        ).result_rows
        filled = {(rollup, partition) for rollup, partition, _, buckets, done in rows if done and not buckets}
        for rollup in ROLLUPS:
            missing = [partition for partition in partitions if (rollup.table, partition) not in filled]
            if missing:
                self._fill_whole(rollup, missing)
            begun = [
                _Rebuild(rollup.table, partition, name, [_seconds(bucket) for bucket in buckets])
                for table, partition, name, buckets, done in rows
                if table == rollup.table and partition not in missing and not done
            ]
            self._rebuild(rollup, begun)

    def _touched(self, rollup: Rollup, recent: Sequence[Recent]) -> list[int]:
        """Return the buckets that recent calls are in, by `calls` and by the rollup."""
        offsets = " OR ".join(
            f"(kafka_partition = {one.partition} AND {{offset}} >= {one.first_offset})" for one in recent
        )
        since_s = max(self._kept_since_s, min(one.first_appended_ms for one in recent) // 1000 - _MARGIN_S)
        rows = self._client.query(
            f"""
            SELECT DISTINCT toUnixTimestamp({rollup.bucket_of_call}) AS bucket FROM {self._database}.calls
            WHERE ({offsets.format(offset="kafka_offset")}) AND appended_at >= toDateTime({{since_s:UInt32}}, 'UTC')
            UNION DISTINCT
            SELECT DISTINCT toUnixTimestamp({rollup.bucket}) AS bucket FROM {self._database}.{rollup.table}
            WHERE NOT of_correction AND ({offsets.format(offset="last_offset")})
              AND appended_month >= toStartOfMonth(toDate(toDateTime({{since_s:UInt32}}, 'UTC')))
            """,  # noqa: S608  # names of ours and numbers
            {"since_s": since_s},
        ).result_rows
        return sorted(int(row[0]) for row in rows)

    @property
    def _kept_since_s(self) -> int:
        return max(0, (self._kept_since - _EPOCH.date()) // timedelta(seconds=1))

    def _sums_of_calls(self, rollup: Rollup, partitions: Sequence[int], buckets: Sequence[int]) -> BucketSums:
        return self._read_sums(
            f"""
            SELECT kafka_partition, toUnixTimestamp({rollup.bucket_of_call}) AS bucket, {SUMS_OF_CALLS}
            FROM {self._database}.calls
            WHERE kafka_partition IN {{partitions:Array(UInt32)}} AND {_within(rollup, buckets, "calls")}
              AND appended_at >= toDateTime({{kept_s:UInt32}}, 'UTC')
            GROUP BY kafka_partition, bucket
            """,  # noqa: S608  # names of ours and numbers
            {"partitions": list(partitions), "kept_s": self._kept_since_s},
        )

    def _sums(self, rollup: Rollup, partitions: Sequence[int], buckets: Sequence[int]) -> BucketSums:
        return self._read_sums(
            f"""
            SELECT kafka_partition, toUnixTimestamp({rollup.bucket}) AS its_bucket, {SUMS_OF_ROLLUP}
            FROM {self._database}.{rollup.table}
            WHERE kafka_partition IN {{partitions:Array(UInt32)}} AND {_within(rollup, buckets, "rollup")}
              AND NOT of_correction AND appended_month >= {{kept:Date}}
            GROUP BY kafka_partition, its_bucket
            """,  # noqa: S608  # names of ours and numbers
            {"partitions": list(partitions), "kept": self._kept_since},
        )

    def _read_sums(self, query: str, parameters: dict[str, Any]) -> BucketSums:
        rows = self._client.query(query, parameters).result_rows
        return {(partition, bucket): Sums(*sums) for partition, bucket, *sums in rows}

    def _fill_whole(self, rollup: Rollup, partitions: Sequence[int]) -> None:
        """Fill the rollup from all that `calls` holds of some partitions, day by day of appending."""
        ours = f"kafka_partition IN ({', '.join(map(str, partitions))})"
        days = self._client.query(
            f"SELECT DISTINCT toDate(appended_at) AS day FROM {self._database}.calls "  # noqa: S608  # names of ours and numbers
            f"WHERE {ours} AND appended_at >= {{kept:Date}} ORDER BY day",
            {"kept": self._kept_since},
        ).result_rows
        if days:
            self._delete(rollup, partitions, ours)
        for (day,) in days:
            self._insert(rollup, partitions, f"{ours} AND toDate(appended_at) = '{day:%Y-%m-%d}'")
        self._note([_Rebuild(rollup.table, p, uuid.uuid4().hex, ()) for p in partitions], "done", _FIRST_FILL)

    def _rebuild(self, rollup: Rollup, todo: Sequence[_Rebuild]) -> None:
        if not todo:
            return
        partitions = sorted({one.partition for one in todo})
        self._delete(rollup, partitions, " OR ".join(_of_buckets(rollup, one, "rollup") for one in todo))
        self._insert(rollup, partitions, " OR ".join(_of_buckets(rollup, one, "calls") for one in todo))
        self._note(todo, "done", _CRASH)

    def _delete(self, rollup: Rollup, partitions: Sequence[int], condition: str) -> None:
        self._client.command(
            f"DELETE FROM {self._database}.{rollup.table} WHERE NOT of_correction "  # noqa: S608  # names of ours and numbers
            f"AND appended_month >= {{kept:Date}} AND ({condition})",
            {"kept": self._kept_since},
            settings={**self._settings_for(partitions), "lightweight_deletes_sync": 2},
        )

    def _insert(self, rollup: Rollup, partitions: Sequence[int], condition: str) -> None:
        select, columns = self._view(rollup)
        part = select_from_part(select, "calls", f"appended_at >= '{self._kept_since:%Y-%m-%d}' AND ({condition})")
        self._client.command(
            f"INSERT INTO {self._database}.{rollup.table} ({columns}) SELECT {columns} FROM ({part})",  # noqa: S608  # the view's own
            settings=self._settings_for(partitions),
        )

    def _view(self, rollup: Rollup) -> tuple[str, str]:
        select = self._client.query(
            "SELECT as_select FROM system.tables WHERE database = {database:String} AND name = {name:String}",
            {"database": self._name, "name": f"{rollup.table}_from_calls"},
        ).result_rows[0][0]
        described = self._client.query(f"DESCRIBE TABLE ({select})").result_rows
        return str(select), ", ".join(row[0] for row in described)

    def _note(self, rebuilds: Sequence[_Rebuild], state: str, reason: str) -> None:
        if not rebuilds:
            return
        rows = [
            [one.partition, one.table, one.name, state, [_EPOCH + timedelta(seconds=s) for s in one.buckets], reason]
            for one in rebuilds
        ]
        columns = ["kafka_partition", "rollup", "rebuild_id", "state", "buckets", "reason"]
        settings = self._settings_for({one.partition for one in rebuilds})
        self._client.insert(f"{self._database}.{REBUILDS}", rows, columns, settings=settings)


def _of_buckets(rollup: Rollup, rebuild: _Rebuild, of: str) -> str:
    """Return the condition for rows of these buckets, in `calls` or in the rollup."""
    return f"(kafka_partition = {rebuild.partition} AND {_within(rollup, rebuild.buckets, of)})"


def _within(rollup: Rollup, buckets: Sequence[int], of: str) -> str:
    low, high = bucket_bounds(buckets, rollup.bucket_s)
    column, bucket = ("time", rollup.bucket_of_call) if of == "calls" else (rollup.column, rollup.bucket)
    listed = ", ".join(map(str, buckets))
    # What can be told of a range prunes by the key; the list alone would not.
    bounds = f"{column} >= toDateTime({low}, 'UTC') AND {column} < toDateTime({high}, 'UTC')"
    if of == "calls":
        bounds += f" AND appended_at >= toDateTime({max(0, low - _MARGIN_S)}, 'UTC')"
    return f"{bounds} AND toUnixTimestamp({bucket}) IN ({listed})"


def _seconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(seconds=1)
