"""What the ledger says that days and models used and cost, as an invoice does; from the rollup of days."""

from collections.abc import Sequence
from datetime import date

from tokentrail.processors.reconciliation import Statement
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors

_SQL = """
    SELECT
        call.day AS day,
        call.model AS model,
        sumIf(call.calls, call.status = 'SUCCESS') AS requests,
        sum(call.input_tokens) AS input_tokens,
        sum(call.output_tokens) AS output_tokens,
        sum(call.cache_read_tokens) AS cache_read_tokens,
        sum(call.cache_write_tokens) AS cache_write_tokens,
        if(sum(call.priced_calls) = 0, NULL, sum(call.cost_usd)) AS cost_usd,
        sum(call.unpriced_calls) AS unpriced_calls
    FROM usage_day AS call
    WHERE call.day >= {since:Date} AND call.day < {until:Date}
        AND (empty({providers:Array(String)}) OR call.provider IN {providers:Array(String)})
    GROUP BY day, model
    ORDER BY day, model
"""


def read_billed_days(settings: Settings, since: date, until: date, providers: Sequence[str]) -> list[Statement]:
    """Return what was used on `since` <= UTC day < `until`, of these providers, of all where none is named. Blocking.

    Raises:
        EngineError: the engine cannot be reached or refuses.
    """
    client = connect(settings)
    try:
        with engine_errors(settings):
            client.database = settings.clickhouse_database
            parameters = {"since": since, "until": until, "providers": list(providers)}
            rows = list(client.query(_SQL, parameters).named_results())
    finally:
        client.close()
    return [Statement(**row) for row in rows]
