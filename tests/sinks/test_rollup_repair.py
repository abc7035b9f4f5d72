"""What a crash may leave in the rollups, and how the writer that owns the Kafka partition mends it."""

from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
from ledger_log import Record, block_of, offsets, rows
from rollup_sums import ROLLUPS, assert_rollups_equal_calls
from varied_calls import varied

from tokentrail.errors import EngineError, LedgerError
from tokentrail.processors.pricing import PriceBook
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.ledger_block import Backlog, Block, read_chunks
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.rollups import select_from_part

TABLES = ("event_log", "calls", *ROLLUPS)
OUTCOMES = [frozenset(landed) for count in range(len(TABLES) + 1) for landed in combinations(TABLES, count)]
"""In which tables a block's part may be when the engine is killed in the middle of its insert: 32 outcomes."""


@pytest.fixture
def tables(settings: Settings) -> LedgerTables:
    migrate(settings)
    return LedgerTables(settings, "test")


def command(settings: Settings, *statements: str) -> None:
    client = connect(settings)
    client.database = settings.clickhouse_database
    for statement in statements:
        client.command(statement)
    client.close()


def block_of_partitions(numbers: range, partitions: int) -> Block:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    backlog, prices = Backlog(), PriceBook(PublicPrices())
    for partition in range(partitions):
        records = [Record(number, now_ms, varied(number + partition)) for number in numbers]
        for chunk in read_chunks(partition, records, prices):
            backlog.add(chunk, 0)
    return backlog.take_block()


def crash(settings: Settings, tables: LedgerTables, outcomes: list[frozenset[str]], *, merged: bool = False) -> None:
    """Leave each Kafka partition with three records, and two more in the tables of its outcome only."""
    # STOP MERGES would stop the deletions too.
    small = "max_bytes_to_merge_at_max_space_in_pool"
    command(settings, *(f"ALTER TABLE {table} MODIFY SETTING {small} = 1" for table in ROLLUPS))
    for numbers in (range(3), range(3, 5)):
        tables.insert(block_of_partitions(numbers, len(outcomes)))
    for table in TABLES:
        lacking = [str(partition) for partition, landed in enumerate(outcomes) if table not in landed]
        offset = "last_offset" if table in ROLLUPS else "kafka_offset"
        if lacking:
            those = f"kafka_partition IN ({','.join(lacking)}) AND {offset} >= 3"
            command(settings, f"DELETE FROM {table} WHERE {those}")  # noqa: S608  # made up here
    command(settings, *(f"ALTER TABLE {table} RESET SETTING {small}" for table in ROLLUPS))
    if merged:
        command(settings, *(f"OPTIMIZE TABLE {table} FINAL" for table in ROLLUPS))


def mend_and_compare(settings: Settings, tables: LedgerTables, outcomes: list[frozenset[str]], *, merged: bool) -> None:
    crash(settings, tables, outcomes, merged=merged)
    tails = tables.recover(range(len(outcomes)))
    assert {partition: tail.last_offset for partition, tail in tails.items()} == {
        partition: 4 if "event_log" in landed else 2 for partition, landed in enumerate(outcomes)
    }
    assert offsets(settings, "calls") == offsets(settings, "event_log")
    assert_rollups_equal_calls(settings)


@pytest.mark.engine
def test_whatever_part_of_a_block_landed_the_rollups_are_those_of_the_archive(
    settings: Settings, tables: LedgerTables
) -> None:
    mend_and_compare(settings, tables, OUTCOMES[2::4], merged=True)


@pytest.mark.engine
@pytest.mark.soak
@pytest.mark.parametrize("merged", [False, True])
def test_each_of_the_32_outcomes_of_an_insert_is_mended(
    settings: Settings, tables: LedgerTables, *, merged: bool
) -> None:
    mend_and_compare(settings, tables, OUTCOMES, merged=merged)


class FailingClient:
    """Passes on to a client until it has sent so many statements that change something; then it breaks."""

    def __init__(self, client: Any, changes: int, *, lands: bool) -> None:
        self._client, self._changes, self._lands = client, changes, lands
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._counted(found) if name in {"command", "insert"} else found

    def _counted(self, found: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self._changes -= 1
            if self._changes < 0:
                if self._lands and not self.broken:
                    found(*arguments, **named)
                self.broken = True
                raise EngineError("killed")
            return found(*arguments, **named)

        return call


def kill_repairs(settings: Settings, tables: LedgerTables, kills: range, *, lands: bool) -> int:
    """Kill a repair at one statement after the other, each time in a partition of its own, and let the next finish."""
    outcomes = [frozenset(("event_log", "calls_hour", "calls_day")), frozenset(("calls_minute", "calls_day"))]
    crash(settings, tables, outcomes * len(kills), merged=True)
    broken = 0
    for partition in range(len(outcomes) * len(kills)):
        killed = LedgerTables(settings, "killed")
        killed._client = FailingClient(connect(settings), kills[partition // 2], lands=lands)  # type: ignore[assignment]  # stands for one
        try:
            killed.recover([partition])
        except EngineError:
            broken += 1
    tables.recover(range(len(outcomes) * len(kills)))
    return broken


@pytest.mark.engine
def test_a_repair_that_is_killed_is_finished_by_the_next(settings: Settings, tables: LedgerTables) -> None:
    assert kill_repairs(settings, tables, range(5, 7), lands=True) == 4
    assert offsets(settings, "calls") == offsets(settings, "event_log")
    assert_rollups_equal_calls(settings)


@pytest.mark.engine
@pytest.mark.soak
@pytest.mark.parametrize("lands", [False, True])
def test_a_repair_that_is_killed_at_any_statement_is_finished_by_the_next(
    settings: Settings, tables: LedgerTables, *, lands: bool
) -> None:
    assert kill_repairs(settings, tables, range(20), lands=lands) > 16
    assert offsets(settings, "calls") == offsets(settings, "event_log")
    assert_rollups_equal_calls(settings)


@pytest.mark.engine
def test_recovery_of_sound_rollups_deletes_nothing(settings: Settings, tables: LedgerTables) -> None:
    tables.recover([0, 1])
    tables.insert(block_of(0, [varied(number) for number in range(20)]))
    tables.recover([0, 1])
    assert rows(settings, "SELECT DISTINCT state, reason FROM rollup_rebuilds") == [("done", "first fill")]
    assert_rollups_equal_calls(settings)


@pytest.mark.engine
def test_calls_from_before_the_rollups_are_in_them_after_the_first_recovery(
    settings: Settings, tables: LedgerTables
) -> None:
    tables.insert(block_of(0, [varied(number) for number in range(30)]))
    tables.insert(block_of(0, [varied(number) for number in range(10)], partition=1))
    command(settings, *(f"TRUNCATE TABLE {table}" for table in ROLLUPS))
    # The writer of the version before goes on while the rollups are made.
    tables.insert(block_of(30, [varied(number) for number in range(30, 40)]))
    tables.recover([0])
    tables.recover([0, 1])
    assert_rollups_equal_calls(settings)


def test_a_view_is_narrowed_where_it_reads_its_table() -> None:
    narrowed = select_from_part("SELECT a FROM t1.calls AS call GROUP BY a", "calls", "x = 1")
    assert narrowed == "SELECT a FROM (SELECT * FROM t1.calls WHERE x = 1) AS call GROUP BY a"
    assert "`a-b`.calls WHERE y" in select_from_part("SELECT a FROM `a-b`.calls", "calls", "y")


def test_a_view_that_was_changed_by_hand_is_refused() -> None:
    with pytest.raises(LedgerError, match="changed by hand: it reads calls 0 times"):
        select_from_part("SELECT a FROM t1.other", "calls", "x = 1")
