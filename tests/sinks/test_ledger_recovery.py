"""What a crash may leave in the tables, and how the writer mends it."""

from datetime import UTC, datetime, timedelta

import pytest
from ledger_log import Record, block_of, completed, encode, offsets, rows, started, stats_event

from tokentrail.errors import EngineError
from tokentrail.processors.pricing import PriceBook
from tokentrail.processors.slicing import MAX_AHEAD_S, MAX_BEHIND_S, PartitionSlicer, RecordBatch
from tokentrail.processors.tally_plan import plan_tallies
from tokentrail.schemas.events import Watermark
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import ledger_tables
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.ledger_block import Backlog, read_chunks
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate

pytestmark = pytest.mark.engine


@pytest.fixture
def tables(settings: Settings) -> LedgerTables:
    migrate(settings)
    return LedgerTables(settings, "test")


def test_a_block_is_one_part_in_each_table(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [completed(number) for number in range(2000)]))
    parts = rows(
        settings,
        "SELECT table, count() FROM system.parts WHERE database = currentDatabase() AND level = 0 "
        "AND table IN ('event_log', 'calls') GROUP BY table",
    )
    assert dict(parts) == {"event_log": 1, "calls": 1}


def test_a_block_that_arrived_in_half_is_an_error(tables: LedgerTables, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ledger_tables._arrow_file
    monkeypatch.setattr(ledger_tables, "_arrow_file", lambda table: whole(table.slice(0, table.num_rows // 2)))
    with pytest.raises(EngineError, match="took 5 of 10 rows into event_log and 5 of 10 into calls"):
        tables.insert(block_of(0, [completed(number) for number in range(10)]))


def test_a_block_that_the_view_did_not_take_is_an_error(settings: Settings, tables: LedgerTables) -> None:
    _command(settings, "DROP TABLE calls_from_events_in")
    with pytest.raises(EngineError, match="took 2 of 2 rows into event_log and 0 of 1 into calls"):
        tables.insert(block_of(0, [completed(0), started(1)]))


def test_a_block_is_taken_whole_whatever_else_the_engine_counts(settings: Settings, tables: LedgerTables) -> None:
    _command(settings, "CREATE MATERIALIZED VIEW more ENGINE = Memory AS SELECT kafka_offset FROM event_log")
    tables.insert(block_of(0, [completed(0), started(1)]))
    tables.insert(block_of(7, [started(0)], partition=1))
    assert rows(settings, "SELECT count() FROM event_log") == [(3,)]


def test_calls_that_miss_from_the_view_are_filled_from_the_archive(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [completed(0), started(1), completed(2)]))
    tables.insert(block_of(3, [completed(3), completed(4)]))
    before = rows(settings, "SELECT * FROM calls ORDER BY kafka_offset")
    _command(settings, "DELETE FROM calls WHERE kafka_offset >= 2")
    assert tables.recover([0])[0].last_offset == 4
    assert rows(settings, "SELECT * FROM calls ORDER BY kafka_offset") == before


def test_calls_that_the_archive_lacks_are_removed(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [completed(0), completed(1)]))
    tables.insert(block_of(2, [completed(2), completed(3)]))
    _command(settings, "DELETE FROM event_log WHERE kafka_offset >= 2")
    assert tables.recover([0])[0].last_offset == 1
    assert offsets(settings, "calls") == {(0, 0): 1, (0, 1): 1}
    tables.insert(block_of(2, [completed(2), completed(3)]))
    assert offsets(settings, "calls") == offsets(settings, "event_log") == {(0, at): 1 for at in range(4)}


def test_calls_without_any_archive_are_removed(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [completed(0)]))
    tables.insert(block_of(0, [completed(0)], partition=1))
    _command(settings, "DELETE FROM event_log WHERE kafka_partition = 0")
    assert list(tables.recover([0, 1])) == [1]
    assert offsets(settings, "calls") == {(1, 0): 1}


def test_calls_held_twice_are_written_anew(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [completed(0), completed(1)]))
    _command(settings, "INSERT INTO calls SELECT * FROM calls WHERE kafka_offset = 1")
    tables.recover([0])
    assert offsets(settings, "calls") == {(0, 0): 1, (0, 1): 1}


def test_recovery_of_sound_tables_changes_nothing(settings: Settings, tables: LedgerTables) -> None:
    assert tables.recover([0, 1]) == {}
    tables.insert(block_of(0, [completed(0), started(1), b"{", None, completed(4)]))
    tables.recover([0])
    assert offsets(settings, "calls") == {(0, 0): 1, (0, 4): 1}


def test_what_landed_already_is_not_written_again(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [completed(0), completed(1)]))
    rest = block_of(0, [completed(at) for at in range(4)]).without({0: 1, 7: 100})
    tables.insert(rest)
    assert offsets(settings, "event_log") == offsets(settings, "calls") == {(0, at): 1 for at in range(4)}


def test_a_record_is_archived_whatever_it_is(settings: Settings, tables: LedgerTables) -> None:
    watermark = encode(Watermark(schema_version="1.0", watermark=datetime(2026, 3, 1, tzinfo=UTC)))
    strange = [
        b"\xff\xfe",
        b"[]",
        b"null",
        completed(3).replace(b'"1.0"', b'"2.0"'),
        None,
        watermark,
        stats_event(datetime(2026, 3, 2, tzinfo=UTC)),
    ]
    tables.insert(block_of(0, strange))
    held = rows(
        settings, "SELECT event_type, rejection, payload_sha256 = SHA256(payload) FROM event_log ORDER BY kafka_offset"
    )
    assert [row[1] for row in held] == [
        "invalid_json",
        "invalid_event",
        "invalid_event",
        "unsupported_version",
        "empty",
        "",
        "",
    ]
    assert [row[0] for row in held[-2:]] == ["llm.watermark", "producer.stats"]
    assert all(row[2] for row in held)
    assert rows(
        settings, "SELECT toString(occurred_at) FROM event_log WHERE event_type != '' ORDER BY kafka_offset"
    ) == [
        ("2026-03-01 00:00:00.000000",),
        ("2026-03-02 00:00:00.000000",),
    ]
    assert offsets(settings, "calls") == {}


def test_a_clock_far_off_is_flagged_and_reported_at_its_append_time(settings: Settings, tables: LedgerTables) -> None:
    clocks = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)]
    tables.insert(
        block_of(0, [completed(at, occurred_at=clock) for at, clock in enumerate([*clocks, datetime.now(UTC)])])
    )
    held = rows(
        settings,
        "SELECT clock_suspect, abs(dateDiff('second', time, now())) < 60, cost_usd > 0 FROM calls "
        "ORDER BY kafka_offset",
    )
    assert held == [(True, True, True)] * 3 + [(False, True, True)]
    assert len(rows(settings, "SELECT occurred_at FROM event_log")) == 4


def test_the_engine_suspects_the_clocks_that_detection_suspects(settings: Settings, tables: LedgerTables) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    ahead, behind = timedelta(seconds=MAX_AHEAD_S), timedelta(seconds=MAX_BEHIND_S)
    step = timedelta(milliseconds=1)
    clocks = [now + ahead, now + ahead + step, now - behind, now - behind - step]
    appended_ms = int(now.timestamp()) * 1000
    payloads = [completed(at, occurred_at=clock) for at, clock in enumerate(clocks)]
    records = [Record(at, appended_ms, payload) for at, payload in enumerate(payloads)]
    backlog = Backlog()
    for chunk in read_chunks(0, records, PriceBook()):
        backlog.add(chunk, 0)
    tables.insert(backlog.take_block())
    found = [row[0] for row in rows(settings, "SELECT clock_suspect FROM calls ORDER BY kafka_offset")]
    assert found == [False, True, False, True]
    for record, suspect in zip(records, found, strict=True):
        slicer = PartitionSlicer(0, plan_tallies([]), 1000)
        slicer.add(RecordBatch(0, [record.offset], [appended_ms], [record.value]))
        assert slicer.counts.clock_suspect == suspect


def test_an_unknown_model_has_no_cost(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [completed(0, request_model="nobody-knows-me"), completed(1, provider=None)]))
    assert rows(settings, "SELECT cost_usd, input_cost, price_source FROM calls") == [(None, None, "")] * 2


def test_a_block_of_stored_records_has_no_rest() -> None:
    rest = block_of(0, [completed(0), started(1)]).without({0: 1})
    assert rest.table.num_rows == rest.completed_calls == 0
    assert rest.without({0: 5}).table.num_rows == 0


def test_a_block_ends_where_the_month_turns() -> None:
    turn_ms = int(datetime(2026, 4, 1, tzinfo=UTC).timestamp() * 1000)
    records = [Record(at, turn_ms - 2 + at, completed(at)) for at in range(4)]
    backlog = Backlog()
    for chunk in read_chunks(0, records, PriceBook()):
        backlog.add(chunk, 0)
    assert [backlog.take_block().table["kafka_offset"].to_pylist() for _ in range(2)] == [[0, 1], [2, 3]]


def _command(settings: Settings, sql: str) -> None:
    client = connect(settings)
    client.database = settings.clickhouse_database
    client.command(sql)
    client.close()
