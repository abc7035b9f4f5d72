"""The rollups of calls: what they hold, and that they hold it exactly."""

import pytest
from ledger_log import block_of, rows, started
from rollup_sums import ROLLUPS, assert_rollups_equal_calls, cost_sums
from varied_calls import varied

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate

pytestmark = pytest.mark.engine


@pytest.fixture
def tables(settings: Settings) -> LedgerTables:
    migrate(settings)
    return LedgerTables(settings, "test")


def test_every_measure_of_every_dimension_is_that_of_the_calls(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [*(varied(number) for number in range(60)), started(61), b"{"]))
    tables.insert(block_of(0, [varied(number) for number in range(60, 90)], partition=1))
    assert_rollups_equal_calls(settings)
    sums = cost_sums(settings)
    assert len(set(sums.values())) == 1
    assert sums["calls_day"] > 0


def test_a_block_is_one_part_in_each_rollup(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [varied(number) for number in range(3000)]))
    parts = rows(
        settings,
        "SELECT table, count() FROM system.parts WHERE database = currentDatabase() AND active "
        "AND table IN ('event_log', 'calls', 'calls_minute', 'calls_hour', 'calls_day', 'usage_hour', 'usage_day') "
        "GROUP BY table",
    )
    assert dict(parts) == dict.fromkeys(("event_log", "calls", *ROLLUPS), 1)
