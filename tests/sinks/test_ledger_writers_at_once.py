"""What another writer of the same partitions may still be doing, and how a writer keeps out of its way."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from aiokafka import TopicPartition
from ledger_log import block_of, completed, offsets, rows, running_worker

from tokentrail.errors import EngineError, LedgerError
from tokentrail.processors.pricing import PriceBook
from tokentrail.schemas.topics import CALLS
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import ledger_tables
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.ledger import RELEASE_S, LedgerWriter
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.retention import FOREVER


@pytest.fixture
def tables(settings: Settings) -> LedgerTables:
    migrate(settings)
    return LedgerTables(settings, "test")


@pytest.fixture
async def writer(settings: Settings) -> AsyncIterator[LedgerWriter]:
    writer = LedgerWriter(settings, PriceBook())
    yield writer
    writer._tables.close()
    await writer._consumer.stop()


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


@pytest.mark.engine
def test_a_stale_repair_leaves_what_the_next_owner_wrote(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [completed(0), completed(1)]))
    stale = tables._stretch(0, FOREVER)
    LedgerTables(settings, "test").insert(block_of(2, [completed(2), completed(3)]))
    tables._mend(stale)
    assert offsets(settings, "calls") == offsets(settings, "event_log") == {(0, at): 1 for at in range(4)}


async def test_a_revoked_partition_is_not_written_again_when_the_engine_comes_back(
    settings: Settings, writer: LedgerWriter
) -> None:
    writing = writer._writing = asyncio.create_task(writer._write(block_of(0, [completed(0)]), writer._released))
    await asyncio.sleep(0)
    await writer.on_partitions_revoked([TopicPartition(settings.topic(CALLS.name), 0)])
    assert writing.done()
    assert writing.result() is None


async def test_a_revoked_partition_is_not_recovered_any_more(settings: Settings, writer: LedgerWriter) -> None:
    recovering = asyncio.create_task(writer._recover({0}, writer._released))
    await asyncio.sleep(0)
    await writer.on_partitions_revoked([TopicPartition(settings.topic(CALLS.name), 0)])
    assert await recovering is None


@pytest.mark.engine
async def test_a_block_that_was_cut_before_the_revoke_is_not_written_after_it(
    settings: Settings, writer: LedgerWriter
) -> None:
    migrate(settings)
    await writer.on_partitions_revoked([TopicPartition(settings.topic(CALLS.name), 0)])
    assert await writer._write(block_of(0, [completed(0)]), writer._released) is None
    assert offsets(settings, "event_log") == {}


async def test_kafka_waits_for_a_partition_longer_than_its_insert_is_waited_for(writer: LedgerWriter) -> None:
    assert writer._consumer._rebalance_timeout_ms > RELEASE_S * 1000


@pytest.mark.engine
def test_records_held_twice_stop_the_ledger_with_the_statement_that_mends_them(
    settings: Settings, tables: LedgerTables
) -> None:
    block = block_of(7, [completed(0), completed(1), completed(2)])
    tables.insert(block)
    tables.insert(block.without({0: 7}))
    with pytest.raises(LedgerError, match="of partition 0 twice, offsets 8 to 9: ") as told:
        tables.recover([0])
    _, _, statement = str(told.value).partition("(")
    client = connect(settings)
    client.command(statement.partition("), ")[0])
    client.close()
    assert tables.recover([0])[0].last_offset == 9
    assert offsets(settings, "event_log") == offsets(settings, "calls") == {(0, at): 1 for at in (7, 8, 9)}


@pytest.mark.broker
@pytest.mark.engine
def test_a_worker_that_finds_records_twice_ends_with_one_sentence(
    settings: Settings, environ: dict[str, str], tables: LedgerTables, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        tables.insert(block_of(0, [completed(0)]))
    with running_worker(environ) as worker:
        assert worker.wait(30) == 1
    told = capfd.readouterr().err
    assert f"OPTIMIZE TABLE {settings.clickhouse_database}.event_log PARTITION " in told
    assert "Traceback" not in told
