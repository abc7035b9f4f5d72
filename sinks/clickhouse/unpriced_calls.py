"""Calls that have no cost, by model and reason; the reasons are the ledger's own formula, taken apart."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tokentrail.processors.unpriced import Unpriced
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.cost_formula import cost_formula, usage_tuple
from tokentrail.sinks.clickhouse.cost_query import WANTS_PRICE, CostQuery

_COLUMNS: Final = ("provider", "model", "service_tier", "time", "input_tokens", "output_tokens", "rate_id")
_REASON: Final = f"""\
multiIf(
        NOT call.wants_price, '{Unpriced.FAILED}',
        rates.rate_id = 0, '{Unpriced.NO_PRICE}',
        usage.input_tokens IS NULL AND usage.output_tokens IS NULL, '{Unpriced.NO_USAGE}',
        input_total > 0 AND ambiguous, '{Unpriced.AUDIO_NOT_APART}',
        input_total > 0 AND rates.input IS NULL, '{Unpriced.NO_INPUT_RATE}',
        input_total > 0 AND input_rest < 0, '{Unpriced.INPUT_EXCEEDED}',
        output_total > 0 AND rates.output IS NULL, '{Unpriced.NO_OUTPUT_RATE}',
        output_total > 0 AND output_rest < 0, '{Unpriced.OUTPUT_EXCEEDED}',
        '{Unpriced.NOT_HELD}'
    )"""
_MEASURES: Final = """\
    count() AS calls,
    sum(ifNull(input_tokens, 0)) AS input_tokens,
    sum(ifNull(output_tokens, 0)) AS output_tokens,
    min(time) AS first_seen,
    max(time) AS last_seen"""


class UnpricedCalls(msgspec.Struct, frozen=True, kw_only=True):
    """Calls without a cost of a provider's model in a service tier, for one reason, and what they used."""

    provider: str
    model: str
    service_tier: str
    reason: Unpriced
    calls: int
    input_tokens: int
    output_tokens: int
    first_seen: datetime
    last_seen: datetime


def unpriced_sql(query: CostQuery, database: str, providers: Sequence[str] = ()) -> tuple[str, dict[str, Any]]:
    """Return the statement and its parameters; no providers are all of them.

    Raises:
        CostQueryError: `filters` names something unknown.
    """
    frame = query.frame(database)
    conditions = frame.conditions + " AND call.cost_usd IS NULL"
    if providers:
        conditions += " AND call.provider IN {providers:Array(String)}"
    columns = ", ".join(f"call.{name} AS {name}" for name in _COLUMNS)
    sql = f"""\
SELECT provider, model, service_tier, reason,
{_MEASURES}
FROM (
WITH
{cost_formula().steps}
SELECT {columns},
    {_REASON} AS reason
FROM (
{frame.known}SELECT {columns}, ifNull({WANTS_PRICE}, false) AS wants_price,
    {usage_tuple("call")} AS usage
{frame.source}
{conditions}
) AS call
LEFT ANY JOIN `{database}`.model_rates AS rates ON rates.rate_id = call.rate_id
)
GROUP BY provider, model, service_tier, reason
ORDER BY calls DESC, provider, model, service_tier, reason"""  # noqa: S608  # names of ours, conditions with bound parameters
    return sql, {**frame.parameters, **({"providers": list(providers)} if providers else {})}


def read_unpriced_calls(settings: Settings, query: CostQuery, providers: Sequence[str] = ()) -> list[UnpricedCalls]:
    """Return calls without a cost, the most first; calls that were re-priced since count as they are now. Blocking.

    All of them: what `unpriced_calls` counts elsewhere, and besides, as `FAILED`, those that used no tokens.

    Raises:
        CostQueryError: the question names something unknown.
        EngineError: the engine cannot be reached or refuses.
    """
    sql, parameters = unpriced_sql(query, settings.clickhouse_database, providers)
    client = connect(settings)
    try:
        with engine_errors(settings):
            rows = list(client.query(sql, parameters).named_results())
    finally:
        client.close()
    return [_unpriced(row) for row in rows]


def _unpriced(row: dict[str, Any]) -> UnpricedCalls:
    # The client gives moments in UTC without saying so.
    moments = {name: row[name].replace(tzinfo=UTC) for name in ("first_seen", "last_seen")}
    return UnpricedCalls(**{**row, **moments, "reason": Unpriced(row["reason"])})
