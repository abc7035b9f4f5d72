"""Prices that are corrected afterwards: in calls_corrected, in every rollup, and nowhere else."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from ledger_log import block_of, rows
from own_prices import NEW, OLD
from rollup_sums import assert_rollups_equal_calls, cost_sums
from varied_calls import varied

from tokentrail.errors import EngineError, LedgerError
from tokentrail.processors.repricing import PricedModel, plan_rules
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import repricing
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.cost_query import CostQuery
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.repricing import reprice
from tokentrail.sinks.clickhouse.repricing_sql import tuple_of

QUERY = CostQuery(since=datetime.now(UTC) - timedelta(days=30))


@pytest.fixture
def tables(settings: Settings) -> LedgerTables:
    migrate(settings)
    return LedgerTables(settings, "test")


@pytest.mark.engine
def test_a_corrected_call_costs_what_it_would_have_cost_with_the_prices_of_now(
    settings: Settings, tables: LedgerTables
) -> None:
    payloads = [varied(number) for number in range(60)]
    tables.insert(block_of(0, list(payloads), prices=OLD))
    # The same calls as another partition, priced at once as they shall be.
    tables.insert(block_of(0, list(payloads), partition=1, prices=NEW))
    before = cost_sums(settings)["calls_corrected"]
    would = reprice(settings, QUERY, NEW, dry_run=True)
    assert rows(settings, "SELECT count() FROM cost_corrections") == [(0,)]

    done = reprice(settings, QUERY, NEW, reason="the contract of May")
    costs = "SELECT input_cost, output_cost, cost_usd FROM calls_corrected WHERE kafka_partition = "
    assert rows(settings, f"{costs}0 ORDER BY kafka_offset") == rows(settings, f"{costs}1 ORDER BY kafka_offset")
    assert_rollups_equal_calls(settings)
    sums = cost_sums(settings)
    assert len(set(sums.values())) == 1
    assert sums["calls_corrected"] - before == sum(one.delta_usd for one in done.differences) != 0
    assert done.differences == would.differences
    assert rows(settings, "SELECT DISTINCT reason, revision FROM cost_corrections") == [("the contract of May", 1)]
    # Repeated, there is nothing left to do.
    assert reprice(settings, QUERY, NEW).differences == []


@pytest.mark.engine
def test_a_call_may_be_corrected_again_and_back(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [varied(number) for number in range(40)], prices=OLD))
    before = rows(settings, "SELECT kafka_offset, cost_usd FROM calls ORDER BY kafka_offset")
    reprice(settings, QUERY, NEW)
    reprice(settings, msgspec.structs.replace(QUERY, filters={"model": "gpt-4o"}), OLD)
    reprice(settings, QUERY, OLD)
    assert rows(settings, "SELECT kafka_offset, cost_usd FROM calls_corrected ORDER BY kafka_offset") == before
    assert rows(settings, "SELECT kafka_offset, cost_usd FROM calls ORDER BY kafka_offset") == before
    assert_rollups_equal_calls(settings)


@pytest.mark.engine
def test_a_re_pricing_killed_between_the_tables_is_mended_by_the_next(settings: Settings, tables: LedgerTables) -> None:
    tables.insert(block_of(0, [varied(number) for number in range(40)], prices=OLD))
    reprice(settings, QUERY, NEW)
    client = connect(settings)
    client.database = settings.clickhouse_database
    client.command("DELETE FROM calls_hour WHERE of_correction")
    client.command("INSERT INTO calls_day SELECT * FROM calls_day WHERE of_correction")
    client.command("DELETE FROM cost_corrections WHERE kafka_offset > 20")
    client.close()
    assert reprice(settings, QUERY, NEW).repaired_days > 0
    assert_rollups_equal_calls(settings)
    # The writer leaves rows of corrections alone.
    tables.recover([0])
    assert_rollups_equal_calls(settings)


@pytest.mark.engine
def test_two_re_pricings_do_not_go_on_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(settings)

    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(repricing, "repair_corrections", killed)
    monkeypatch.setattr(repricing._Run, "_say", _say_nothing_at_the_end)
    with pytest.raises(KeyboardInterrupt):
        reprice(settings, QUERY, NEW)
    with pytest.raises(LedgerError, match="being priced again already"):
        reprice(settings, QUERY, NEW)
    monkeypatch.undo()
    monkeypatch.setattr(repricing, "SILENCE_S", 0)
    assert reprice(settings, QUERY, NEW).differences == []


def test_an_engine_that_is_away_is_told(settings: Settings) -> None:
    with pytest.raises(EngineError, match="cannot be reached"):
        reprice(settings, QUERY, NEW)


def test_rules_follow_the_day_and_the_context_of_a_call() -> None:
    first = date(2026, 5, 1)
    rules = plan_rules([PricedModel("openai", "gpt-4o", "")] * 2, NEW, first, first + timedelta(days=3))
    assert [rule.stretch.above_input_tokens for rule in rules] == [-1, 2_040]
    assert [rule.stretch.to_input_tokens for rule in rules] == [2_040, 2**63 - 1]
    assert {(rule.stretch.first_day, rule.stretch.until_day) for rule in rules} == {(first, date(2026, 5, 4))}
    assert plan_rules([PricedModel("openai", "nobody", "")], NEW, first, date(2026, 5, 2)) == ()


def test_a_named_tuple_is_filled_by_the_columns_of_its_names() -> None:
    kind = "Tuple(\\n  a String, b Tuple(c Nullable(UInt32), d Map(String, UInt32)),\\n e Array(String))"
    assert tuple_of(kind) == "(a, (c, d), e)"


_say = repricing._Run._say


def _say_nothing_at_the_end(run: repricing._Run, state: str) -> None:
    if state != "ended":
        _say(run, state)
