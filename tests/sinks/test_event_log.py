"""The archive, read back for replay."""

from datetime import UTC, datetime, timedelta

import pytest
from ledger_log import block_of, completed, encode

from tokentrail.processors.event_range import EventRange
from tokentrail.schemas.events import Watermark
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import event_log
from tokentrail.sinks.clickhouse.event_log import ArchiveLog
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


def _log(settings: Settings, since_s: float, until_s: float) -> ArchiveLog:
    return ArchiveLog(settings, EventRange(NOW - timedelta(seconds=since_s), NOW - timedelta(seconds=until_s)))


def test_a_range_is_read_by_event_time_in_offset_order(archive: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "STEP_ROWS", 7)
    batches = list(_log(archive, 25, 5).read([0, 3]))
    for partition in (0, 3):
        offsets = [offset for batch in batches if batch.partition == partition for offset in batch.offsets]
        assert offsets == list(range(105, 120))
    assert {payload for batch in batches for payload in batch.payloads} >= {
        completed(7, occurred_at=NOW - timedelta(seconds=23))
    }
    assert all(abs(ms / 1000 - NOW.timestamp()) < 600 for batch in batches for ms in batch.timestamps_ms)


def test_only_the_partitions_that_were_asked_for_are_read(archive: Settings) -> None:
    log = _log(archive, 25, 5)
    assert log.fraction == 0
    assert [(batch.partition, len(batch.offsets)) for batch in log.read([3])] == [(3, 15)]
    assert log.fraction == 1
    assert log.count_by_partition() == {0: 15, 3: 15}


def test_watermarks_are_found_by_what_they_promise_and_rejected_records_never(archive: Settings) -> None:
    batches = _log(archive, 5, 0).read([0, 3])
    assert [(batch.partition, batch.offsets) for batch in batches] == [(0, [121]), (3, [121])]
    assert _log(archive, 86_400, 0).count_by_partition() == {0: 21, 3: 21}
    assert _log(archive, 20_000 * 86_400, 86_400).count_by_partition() == {}
