"""How long tables keep their months, and what the ledger takes on disk."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import orjson
import pytest
from ledger_log import Record, block_of, completed, rows, run_command

from tokentrail.errors import SettingsError
from tokentrail.processors.pricing import PriceBook
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.ledger_block import Backlog, Block, read_chunks
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.retention import FOREVER, kept_since, ttl_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def old_block(first: int, count: int) -> Block:
    appended_ms = int(datetime(2025, 3, 5, tzinfo=UTC).timestamp() * 1000)
    records = [Record(first + at, appended_ms, completed(first + at)) for at in range(count)]
    backlog = Backlog()
    for chunk in read_chunks(0, records, PriceBook()):
        backlog.add(chunk, 0)
    return backlog.take_block()


def test_a_month_is_whole_while_its_end_is_not_older_than_the_retention() -> None:
    settings = Settings(retention_days={"calls": 30, "event_log": 400})
    assert kept_since(settings, NOW, "calls") == kept_since(settings, NOW, "calls", "event_log") == date(2026, 10, 1)
    assert kept_since(settings, NOW, "cost_corrections") == date(2026, 10, 1)
    assert kept_since(settings, NOW, "calls_day") == FOREVER


def test_old_months_may_go_to_a_cold_volume_before_they_go() -> None:
    settings = Settings(retention_days={"calls": 90}, storage_policy="tiered", cold_volume="cold", cold_after_days=10)
    month = "toStartOfMonth(toDate(appended_at)) + toIntervalMonth(1)"
    assert ttl_of(settings, "calls") == f"{month} + toIntervalDay(10) TO VOLUME 'cold', {month} + toIntervalDay(90)"
    assert ttl_of(settings, "event_log") == f"{month} + toIntervalDay(10) TO VOLUME 'cold'"
    assert ttl_of(Settings(), "calls") == ""


@pytest.mark.engine
def test_a_table_that_there_is_not_has_no_retention(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="retention_days names nothing; the tables with a retention are alert"):
        migrate(msgspec.structs.replace(settings, retention_days={"nothing": 30}))


@pytest.mark.engine
def test_months_that_are_over_go_and_the_rollups_stay_what_they_were(settings: Settings) -> None:
    migrate(settings)
    LedgerTables(settings, "test").insert(old_block(0, 20))
    LedgerTables(settings, "test").recover([0])
    kept = msgspec.structs.replace(settings, retention_days={"calls": 30, "event_log": 30})
    migrate(kept)
    client = connect(settings)
    for table in ("event_log", "calls"):
        client.command(f"OPTIMIZE TABLE {settings.clickhouse_database}.{table} FINAL")
    client.close()
    assert rows(settings, "SELECT (SELECT count() FROM event_log), (SELECT count() FROM calls)") == [(0, 0)]
    # The writer goes on behind what was there, and takes nothing out of the rollups.
    tables = LedgerTables(kept, "test")
    assert tables.recover([0])[0].last_offset == 19
    tables.insert(block_of(20, [completed(20)]))
    assert tables.recover([0])[0].last_offset == 20
    assert rows(settings, "SELECT sum(calls) FROM calls_day") == [(21,)]
    migrate(settings)
    found = rows(
        settings, "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'calls'"
    )
    assert " TTL " not in found[0][0]


@pytest.mark.engine
def test_storage_tells_what_each_table_takes(settings: Settings, environ: dict[str, str]) -> None:
    migrate(settings)
    LedgerTables(settings, "test").insert(block_of(0, [completed(number) for number in range(50)]))
    told = orjson.loads(run_command(environ, "storage", "--json").stdout)
    calls = next(one for one in told["tables"] if one["table"] == "calls")
    assert calls["rows"] == 50
    assert calls["bytes_per_call"] == calls["bytes_on_disk"] / 50 > 0
    assert calls["oldest_month"] == calls["newest_month"] == f"{datetime.now(UTC):%Y%m}"
    assert told["bytes_on_disk"] == sum(one["bytes_on_disk"] for one in told["tables"])
    assert "forever" in run_command(environ, "storage").stdout


@pytest.mark.engine
def test_rows_that_were_updated_are_counted_once_and_in_their_month(
    settings: Settings, environ: dict[str, str]
) -> None:
    migrate(settings)
    LedgerTables(settings, "test").insert(block_of(0, [completed(number) for number in range(50)]))

    def calls() -> dict[str, Any]:
        told = orjson.loads(run_command(environ, "storage", "--json").stdout)
        return next(one for one in told["tables"] if one["table"] == "calls")

    before = calls()
    rows(settings, "UPDATE calls SET user_agent = 'erased' WHERE kafka_offset < 20")
    ((patch_rows, patch_bytes),) = rows(
        settings,
        "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts "
        "WHERE database = currentDatabase() AND table = 'calls' AND active AND partition_id LIKE 'patch-%'",
    )
    assert patch_rows == 20
    after = calls()
    assert after["bytes_on_disk"] == before["bytes_on_disk"] + patch_bytes
    for field in ("rows", "oldest_month", "newest_month"):
        assert after[field] == before[field]
