"""What another writer of the same partitions may still be doing, and how a writer keeps out of its way."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ledger_log import rows

from tokentrail.errors import EngineError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import ledger_tables
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate


@pytest.fixture
def tables(settings: Settings) -> LedgerTables:
    migrate(settings)
    return LedgerTables(settings, "test")


def inserts_run(settings: Settings) -> bool:
    ours = f"startsWith(Settings['log_comment'], 'test/{settings.clickhouse_database}/')"
    return bool(rows(settings, f"SELECT 1 FROM system.processes WHERE query_kind = 'Insert' AND {ours}"))  # noqa: S608  # made up here


@contextmanager
def insert_left_behind(settings: Settings, tables: LedgerTables, rows_at_half_a_second: int) -> Iterator[list[str]]:
    """Run an insert into partition 0 as a writer that was killed leaves it; yields what it fails with."""
    failures: list[str] = []

    def insert() -> None:
        client = connect(settings)
        try:
            with engine_errors(settings):
                client.command(
                    f"""
                    INSERT INTO {settings.clickhouse_database}.event_log (kafka_partition, kafka_offset, appended_at)
                    SELECT 0, number + sleepEachRow(0.5), now() FROM numbers({rows_at_half_a_second})
                    """,  # noqa: S608  # made up here
                    settings={**tables._insert_settings([0, 3]), "max_block_size": 1},
                )
        except EngineError as error:
            failures.append(str(error))
        finally:
            client.close()

    thread = threading.Thread(target=insert)
    thread.start()
    while not inserts_run(settings):
        time.sleep(0.01)
    try:
        yield failures
    finally:
        thread.join()


@pytest.mark.engine
def test_recovery_waits_for_an_insert_that_a_killed_writer_left_behind(
    settings: Settings, tables: LedgerTables
) -> None:
    with insert_left_behind(settings, tables, rows_at_half_a_second=3):
        assert LedgerTables(settings, "test").recover([0])[0].last_offset == 2


@pytest.mark.engine
def test_an_insert_that_does_not_end_is_killed(
    settings: Settings, tables: LedgerTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_tables, "SETTLE_S", 0)
    with insert_left_behind(settings, tables, rows_at_half_a_second=40) as failures:
        assert tables.recover([0]) == {}
    assert len(failures) == 1


@pytest.mark.engine
def test_inserts_into_other_partitions_are_not_waited_for(settings: Settings, tables: LedgerTables) -> None:
    with insert_left_behind(settings, tables, rows_at_half_a_second=3):
        assert tables.recover([1]) == {}
        assert inserts_run(settings)
