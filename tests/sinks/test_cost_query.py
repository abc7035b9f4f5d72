"""Costs by anybody and any time: the exact statement, and what it answers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from ledger_log import block_of, completed

from tokentrail.schemas.events import Usage
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.cost_query import (
    COLUMNS,
    FIELDS,
    PERIODS,
    CostQuery,
    CostQueryError,
    CostRow,
    read_costs,
)
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate

SINCE = datetime(2026, 11, 20, tzinfo=UTC)

EXPECTED = """\
SELECT
    toDate(call.time) AS `day`,
    call.department AS `department`,
    count() AS calls,
    countIf(call.status != 'SUCCESS') AS errors,
    sum(ifNull(call.input_tokens, 0)) AS input_tokens,
    sum(ifNull(call.output_tokens, 0)) AS output_tokens,
    sum(call.cost_usd) AS cost_usd,
    countIf(call.cost_usd IS NULL AND (
        call.status IN ('SUCCESS', 'ABORTED') OR call.input_tokens > 0 OR call.output_tokens > 0
    )) AS unpriced_calls
FROM `ledger`.calls_corrected AS call
WHERE call.time >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') \
AND call.appended_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC') - INTERVAL 5 MINUTE \
AND call.time < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC') \
AND call.appended_at < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC') + INTERVAL 7 DAY \
AND call.user_id = {where_user:String}
GROUP BY `day`, `department`
ORDER BY `day`, cost_usd DESC, calls DESC, `day`, `department`"""


def test_a_question_becomes_one_statement_with_bound_parameters() -> None:
    query = CostQuery(by=("day", "department"), since=SINCE, until=SINCE + timedelta(days=1), filters={"user": "o'x"})
    sql, parameters = query.to_sql("ledger")
    assert sql == EXPECTED
    since_us = int(SINCE.timestamp()) * 1_000_000
    assert parameters == {"since_us": since_us, "until_us": since_us + 86_400_000_000, "where_user": "o'x"}


@pytest.mark.parametrize(
    "query", [CostQuery(by=("planet",), since=SINCE), CostQuery(since=SINCE, filters={"day": "x"})]
)
def test_an_unknown_name_is_refused(query: CostQuery) -> None:
    with pytest.raises(CostQueryError, match=r"choose from department, .*user_id, api_key_id"):
        query.to_sql("ledger")


@pytest.mark.engine
def test_costs_are_told_by_whatever_they_are_asked_by(settings: Settings) -> None:
    migrate(settings)
    now = datetime.now(UTC)
    usage = Usage(input_tokens=1_000_000, output_tokens=100_000)
    LedgerTables(settings, "test").insert(
        block_of(
            0,
            [
                completed(0, usage=usage, user_id="ann"),
                completed(1, usage=usage, user_id="o'x", department="sales"),
                completed(2, usage=None, user_id="ann", status="RATE_LIMITED"),
                completed(3, usage=usage, user_id="ann", request_model="unheard-of"),
                completed(4, usage=usage, user_id="ann", occurred_at=now - timedelta(days=2)),
            ],
        )
    )
    hour_ago = now - timedelta(hours=1)
    by_user = read_costs(settings, CostQuery(by=("user",), since=hour_ago))
    assert by_user == [
        CostRow({"user": "ann"}, 3, 1, 2_000_000, 200_000, Decimal("3.5"), 1),
        CostRow({"user": "o'x"}, 1, 0, 1_000_000, 100_000, Decimal("3.5"), 0),
    ]
    only = read_costs(settings, CostQuery(since=hour_ago, filters={"user": "o'x", "department": "sales"}))
    assert [(row.calls, row.cost_usd) for row in only] == [(1, Decimal("3.5"))]
    unheard = read_costs(settings, CostQuery(by=("model",), since=hour_ago, filters={"model": "unheard-of"}))
    assert (unheard[0].cost_usd, unheard[0].unpriced_calls) == (None, 1)
    days = read_costs(settings, CostQuery(by=("day",), since=now - timedelta(days=3)))
    assert [row.group["day"] for row in days] == [(now - timedelta(days=2)).date(), now.date()]
    every = read_costs(settings, CostQuery(by=(*COLUMNS, *PERIODS, *FIELDS), since=hour_ago))
    assert sum(row.calls for row in every) == 4
    by_field = CostQuery(by=("user_id",), since=hour_ago, filters={"user_id": "o'x", "request_model": "gpt-4o"})
    assert [(row.group, row.calls) for row in read_costs(settings, by_field)] == [({"user_id": "o'x"}, 1)]
