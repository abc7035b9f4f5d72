"""Questions about costs that a rollup answers, and that its answer is that of the calls."""

from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client
from ledger_log import block_of
from own_prices import NEW, OLD
from varied_calls import varied

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.cost_query import CostQuery, read_costs
from tokentrail.sinks.clickhouse.cost_rollup import choose_rollup
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.named_queries import find_query, run_query
from tokentrail.sinks.clickhouse.repricing import reprice

DAY = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = DAY + timedelta(hours=5)


def test_the_smallest_rollup_that_the_range_does_not_cut_is_chosen() -> None:
    assert choose_rollup(("department", "day"), {"user": "alice"}, DAY, None) == ("calls_day", "day")
    assert choose_rollup(("hour", "key"), {}, DAY, DAY + timedelta(days=1)) == ("calls_hour", "hour")
    assert choose_rollup(("department", "day"), {}, DAY, None) == ("usage_day", "day")
    assert choose_rollup(("hour",), {}, DAY, DAY + timedelta(days=1)) == ("usage_hour", "hour")
    assert choose_rollup((), {}, DAY, HOUR) == ("usage_hour", "hour")


def test_what_no_rollup_keeps_is_asked_of_the_calls() -> None:
    assert choose_rollup(("session_id",), {}, DAY, None) is None
    assert choose_rollup((), {"operation": "chat"}, DAY, None) is None
    assert choose_rollup((), {}, DAY + timedelta(minutes=1), None) is None
    assert choose_rollup((), {}, DAY, HOUR + timedelta(microseconds=1)) is None
    assert CostQuery(since=DAY, mapped=True).rolled_up_sql("d") is None


@pytest.mark.engine
def test_a_rollup_gives_the_answer_of_the_calls(settings: Settings) -> None:
    migrate(settings)
    LedgerTables(settings, "test").insert(block_of(0, [varied(number) for number in range(80)], prices=OLD))
    reprice(settings, CostQuery(since=datetime.now(UTC) - timedelta(days=30)), NEW)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    client = connect(settings)
    days, hours = (today - timedelta(days=5), None), (hour - timedelta(hours=30), hour)
    asked = [
        *((days, by) for by in ((), ("day", "model"), ("user", "team", "key"))),
        *((hours, by) for by in (("hour", "department"), ("day", "status", "request_source"))),
    ]
    for (since, until), by in asked:
        query = CostQuery(by=by, since=since, until=until, filters={} if by else {"feature": "feature-1"})
        raw = client.query(*query.to_sql(settings.clickhouse_database)).result_rows
        rolled = query.rolled_up_sql(settings.clickhouse_database)
        assert rolled is not None
        assert client.query(*rolled).result_rows == raw
        assert raw
    assert len(read_costs(settings, query)) == len(raw)
    # Corrections have made one model's calls unpriced: the tokens are in the rows of the calls, the count is not.
    raw = client.query(
        "SELECT model, count(), sum(input_tokens), sum(output_tokens) FROM calls_corrected "
        "WHERE cost_usd IS NULL AND status IN ('SUCCESS', 'ABORTED') GROUP BY model",
        settings={"database": settings.clickhouse_database},
    ).result_rows
    (told,) = run_query(
        settings, find_query("unpriced_models"), {"until": f"{today + timedelta(days=2):%F}"}, today
    ).records()
    assert [(told["model"], told["unpriced_calls"], told["input_tokens"], told["output_tokens"])] == raw
    _assert_periods_have_each_call_once(settings, client)
    client.close()


def _assert_periods_have_each_call_once(settings: Settings, client: Client) -> None:
    """Periods that cut minutes, hours and days at both ends, or lie within one."""
    now = datetime.now(UTC).replace(microsecond=0)
    spans = [
        (now - timedelta(minutes=minutes), now - timedelta(minutes=minutes // 40)) for minutes in range(3, 4700, 1900)
    ]
    for since, until in [*spans, (now - timedelta(hours=50), now - timedelta(hours=2))]:
        for name, unit in (("statistics", "Minute"), ("spend_by_user", "Hour")):
            (raw,) = client.query(
                f"SELECT count(), countIf(status != 'SUCCESS'), sum(ifNull(input_tokens, 0)), sum(cost_usd) "  # noqa: S608  # names of ours
                f"FROM calls_corrected WHERE toStartOf{unit}(time) >= toStartOf{unit}({{since:DateTime('UTC')}}) "
                f"AND toStartOf{unit}(time) < {{until:DateTime('UTC')}}",
                {"since": since, "until": until},
                settings={"database": settings.clickhouse_database},
            ).result_rows
            values = {"since": since.isoformat(), "until": until.isoformat()}
            told = run_query(settings, find_query(name), values, now).records()
            sums = [sum(one[column] for one in told) for column in ("calls", "failures", "input_tokens")]
            assert (*sums, sum(one["cost_usd"] or 0 for one in told)) == (*raw[:3], raw[3] or 0), (name, since, until)
