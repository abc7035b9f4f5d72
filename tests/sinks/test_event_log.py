"""The archive, read back for replay."""

from datetime import UTC, datetime, timedelta

import pytest
from ledger_log import block_of, completed, encode

from tokentrail.schemas.events import Watermark
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import event_log
from tokentrail.sinks.clickhouse.event_log import list_partitions, read_event_log
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate

pytestmark = pytest.mark.engine
NOW = datetime.now(UTC)


@pytest.fixture
def archive(settings: Settings) -> Settings:
    migrate(settings)
    tables = LedgerTables(settings, "test")
    for partition in (0, 3):
        payloads = [completed(at, occurred_at=NOW - timedelta(seconds=30 - at)) for at in range(20)]
        watermark = encode(Watermark(schema_version="1.0", watermark=NOW - timedelta(seconds=5)))
        tables.insert(block_of(100, [*payloads, b"{", watermark], partition))
    return settings


def test_a_range_is_read_by_event_time_in_offset_order(archive: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "STEP_ROWS", 7)
    batches = list(read_event_log(archive, NOW - timedelta(seconds=25), NOW - timedelta(seconds=5)))
    for partition in (0, 3):
        offsets = [offset for batch in batches if batch.kafka_partition == partition for offset in batch.offsets]
        assert offsets == list(range(105, 120))
    assert {payload for batch in batches for payload in batch.payloads} >= {
        completed(7, occurred_at=NOW - timedelta(seconds=23))
    }
    assert all(abs(ms / 1000 - NOW.timestamp()) < 600 for batch in batches for ms in batch.appended_ms)


def test_watermarks_are_found_by_what_they_promise_and_rejected_records_never(archive: Settings) -> None:
    batches = list(read_event_log(archive, NOW - timedelta(seconds=5), NOW))
    assert [(batch.kafka_partition, batch.offsets) for batch in batches] == [(0, [121]), (3, [121])]
    assert list_partitions(archive, NOW - timedelta(days=1), NOW) == [0, 3]
    assert list_partitions(archive, NOW - timedelta(days=20000), NOW - timedelta(days=1)) == []
