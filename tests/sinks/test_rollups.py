"""The rollups of calls: what they hold, and that they hold it exactly."""

from datetime import UTC, datetime, timedelta

import pytest
from ledger_log import block_of, completed, rows, started
from rollup_sums import assert_rollups_equal_calls, cost_sums

from tokentrail.schemas.events import Usage
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate

pytestmark = pytest.mark.engine


@pytest.fixture
def tables(settings: Settings) -> LedgerTables:
    migrate(settings)
    return LedgerTables(settings, "test")


def varied(number: int) -> bytes:
    """Calls that differ in every dimension, some late, some unpriced, some without usage."""
    return completed(
        number,
        occurred_at=datetime.now(UTC) - timedelta(minutes=37 * (number % 7), days=number % 3),
        department=f"department-{number % 3}",
        service=f"service-{number % 2}",
        environment=("production", "staging")[number % 2],
        request_model=("gpt-4o", "gpt-unheard", "gpt-4o-mini")[number % 3],
        status=("SUCCESS", "RATE_LIMITED", "SUCCESS", "ABORTED")[number % 4],
        feature=f"feature-{number % 4}",
        user_id=f"user-{number % 5}",
        api_key_id=f"key-{number % 2}",
        request_source=f"source-{number % 2}",
        attributes={"team": f"team-{number % 3}"},
        latency_ms=None if number % 5 == 0 else 10.0 * number,
        time_to_first_token_ms=None if number % 2 else 3.0 * number,
        usage=None
        if number % 4 == 1
        else Usage(
            input_tokens=2000 + number, output_tokens=100 + number, cache_read_tokens=number, reasoning_tokens=7,
            cache_write_5m_tokens=3, cache_write_1h_tokens=5,
        ),
    )  # fmt: skip


def test_every_measure_of_every_dimension_is_that_of_the_calls(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [varied(number) for number in range(60)] + [started(61), b"{"]))
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
        "AND table IN ('event_log', 'calls', 'calls_minute', 'calls_hour', 'calls_day') GROUP BY table",
    )
    assert dict(parts) == dict.fromkeys(("event_log", "calls", "calls_minute", "calls_hour", "calls_day"), 1)
