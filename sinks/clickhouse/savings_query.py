"""What the same calls would have cost at another model's prices: each call priced anew, exactly, inside the engine.

The arithmetic is that of the ledger's view `calls_from_events_in`, call by call: a long context prices all of a call,
and each side is rounded, so sums of tokens could not tell.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from tokentrail.processors.price_stretches import PriceStretch, price_stretches
from tokentrail.processors.pricing import PriceBook
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.cost_query import CostQuery

_RATES: Final = (
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output", "output_audio", "reasoning",
)  # fmt: skip
_BOUNDS: Final = (
    "first_day", "until_day", "from_second", "until_second", "above_input_tokens", "to_input_tokens",
)  # fmt: skip
_RATE_STEP: Final = Decimal("0.000000001")
MEASURES: Final = ("calls", "compared_calls", "cost_usd", "would_cost_usd", "unpriceable_calls", "unpriced_calls")


class Alternative(msgspec.Struct, frozen=True):
    """A model of a provider, by the names that calls would have; `service_tier` empty: the ordinary one."""

    provider: str
    model: str
    service_tier: str = ""


class SavingsRow(msgspec.Struct, frozen=True):
    """One group of calls that have a usage.

    `cost_usd` and `would_cost_usd` are of the same calls, the `compared_calls`: those that have both. The others are
    `unpriceable_calls` (the alternative has no price for them) and `unpriced_calls` (what they did cost is not known).
    """

    alternative: Alternative
    group: dict[str, Any]
    calls: int
    compared_calls: int
    cost_usd: Decimal
    would_cost_usd: Decimal
    unpriceable_calls: int
    unpriced_calls: int

    @property
    def saved_usd(self) -> Decimal:
        """What the alternative would have saved; below 0, what it would have cost more."""
        return self.cost_usd - self.would_cost_usd


def savings_sql(query: CostQuery, database: str, stretches: Sequence[PriceStretch]) -> tuple[str, dict[str, Any]]:
    """Return the statement for one alternative and its parameters.

    Raises:
        CostQueryError: `by` or `filters` names something unknown.
    """
    frame = query.frame(database)
    names = [f"`{name}`" for name in frame.groups]
    groups = [f"    {expression} AS `{name}`," for name, expression in frame.groups.items()]
    # One level of SELECT for each step: aliases that stand for aliases, in one, take the engine seconds to resolve.
    sql = "\n".join(["SELECT", *groups, _METERED_SQL, frame.source, frame.conditions + _METERED])
    for step in (_RATES_SQL, _PARTS_SQL, _SIDES_SQL, _WHOLE_SQL):
        sql = f"SELECT *,\n{step}\nFROM (\n{sql}\n)"
    measures = ",\n".join([*(f"    {name}" for name in names), _MEASURES_SQL])
    sql = f"SELECT\n{measures}\nFROM (\n{sql}\n)"
    if names:
        by = ", ".join(names)
        sql += f"\nGROUP BY {by}\nORDER BY cost_usd - would_cost_usd DESC, calls DESC, {by}"
    return sql, {**frame.parameters, **_columns(stretches)}


def read_savings(
    settings: Settings, query: CostQuery, prices: PriceBook, alternatives: Iterable[Alternative]
) -> list[SavingsRow]:
    """Return rows by alternative, in their order, the greatest saving first. Blocking.

    Raises:
        CostQueryError: the question names something unknown.
        EngineError: the engine cannot be reached or refuses.
    """
    until = query.until or datetime.now(UTC) + timedelta(days=1)
    found: list[SavingsRow] = []
    client = connect(settings)
    try:
        with engine_errors(settings):
            for one in alternatives:
                stretches = _stretches(prices, one, query.since.date(), until.date() + timedelta(days=1))
                sql, parameters = savings_sql(query, settings.clickhouse_database, stretches)
                width = len(query.by)
                found += [
                    SavingsRow(one, dict(zip(query.by, row[:width], strict=True)), *row[width:])
                    for row in client.query(sql, parameters).result_rows
                ]
    finally:
        client.close()
    return found


def _stretches(prices: PriceBook, one: Alternative, first_day: date, until_day: date) -> list[PriceStretch]:
    return price_stretches(
        lambda day: prices.tariffs_on(one.provider, one.model, one.service_tier, day), first_day, until_day
    )


def _columns(stretches: Sequence[PriceStretch]) -> dict[str, Any]:
    columns: dict[str, Any] = {f"stretch_{name}": [getattr(one, name) for one in stretches] for name in _BOUNDS}
    for name in _RATES:
        columns[f"rate_{name}"] = [_amount(getattr(one.rates, name)) for one in stretches]
    columns["rate_request"] = [_amount(one.rates.request) for one in stretches]
    columns["cached_audio_apart"] = [int(one.rates.cached_audio_apart) for one in stretches]
    return columns


def _amount(rate: Decimal | None) -> Decimal | None:
    return None if rate is None else rate.quantize(_RATE_STEP)


_METERED: Final = " AND (call.input_tokens IS NOT NULL OR call.output_tokens IS NOT NULL)"
_METERED_SQL: Final = """\
    call.cost_usd AS did_cost,
    call.input_tokens AS input_tokens,
    call.output_tokens AS output_tokens,
    ifNull(call.cache_read_tokens, 0) AS cache_read_tokens,
    ifNull(call.cache_write_5m_tokens, 0) AS cache_write_5m_tokens,
    ifNull(call.cache_write_1h_tokens, 0) AS cache_write_1h_tokens,
    ifNull(call.input_audio_tokens, 0) AS input_audio_tokens,
    ifNull(call.output_audio_tokens, 0) AS output_audio_tokens,
    ifNull(call.reasoning_tokens, 0) AS reasoning_tokens,
    arrayFirstIndex(
        (first_day, until_day, from_second, until_second, above, top) ->
            toDate32(call.time) >= first_day AND toDate32(call.time) < until_day
            AND toSecond(call.time) + 60 * toMinute(call.time) + 3600 * toHour(call.time) >= from_second
            AND toSecond(call.time) + 60 * toMinute(call.time) + 3600 * toHour(call.time) < until_second
            AND toInt64(ifNull(call.input_tokens, 0)) > above AND toInt64(ifNull(call.input_tokens, 0)) <= top,
        {stretch_first_day:Array(Date32)}, {stretch_until_day:Array(Date32)},
        {stretch_from_second:Array(UInt32)}, {stretch_until_second:Array(UInt32)},
        {stretch_above_input_tokens:Array(Int64)}, {stretch_to_input_tokens:Array(Int64)}
    ) AS stretch"""
_RATES_SQL: Final = """\
    {rate_input:Array(Nullable(Decimal(18, 9)))}[stretch] AS input_rate,
    {rate_cache_read:Array(Nullable(Decimal(18, 9)))}[stretch] AS cache_read_rate,
    {rate_cache_write_5m:Array(Nullable(Decimal(18, 9)))}[stretch] AS cache_write_5m_rate,
    {rate_cache_write_1h:Array(Nullable(Decimal(18, 9)))}[stretch] AS cache_write_1h_rate,
    {rate_input_audio:Array(Nullable(Decimal(18, 9)))}[stretch] AS input_audio_rate,
    {rate_output:Array(Nullable(Decimal(18, 9)))}[stretch] AS output_rate,
    {rate_output_audio:Array(Nullable(Decimal(18, 9)))}[stretch] AS output_audio_rate,
    {rate_reasoning:Array(Nullable(Decimal(18, 9)))}[stretch] AS reasoning_rate,
    {rate_request:Array(Nullable(Decimal(18, 9)))}[stretch] AS request_rate,
    {cached_audio_apart:Array(UInt8)}[stretch] = 1
        AND cache_read_tokens > 0 AND input_audio_tokens > 0 AS ambiguous"""
_PARTS_SQL: Final = """\
    if(cache_read_rate IS NULL, 0, cache_read_tokens) AS cache_read_part,
    if(cache_write_5m_rate IS NULL, 0, cache_write_5m_tokens) AS cache_write_5m_part,
    if(cache_write_1h_rate IS NULL, 0, cache_write_1h_tokens) AS cache_write_1h_part,
    if(input_audio_rate IS NULL, 0, input_audio_tokens) AS input_audio_part,
    if(output_audio_rate IS NULL, 0, output_audio_tokens) AS output_audio_part,
    if(reasoning_rate IS NULL, 0, reasoning_tokens) AS reasoning_part,
    toInt64(ifNull(input_tokens, 0))
        - cache_read_part - cache_write_5m_part - cache_write_1h_part - input_audio_part AS input_rest,
    toInt64(ifNull(output_tokens, 0)) - output_audio_part - reasoning_part AS output_rest"""
_SIDES_SQL: Final = """\
    multiIf(
        input_tokens IS NULL, NULL,
        input_tokens = 0, toDecimal128(0, 9),
        input_rate IS NULL OR input_rest < 0 OR ambiguous, NULL,
        round(
            toDecimal128(input_rest, 0) * ifNull(input_rate, 0)
            + toDecimal128(cache_read_part, 0) * ifNull(cache_read_rate, 0)
            + toDecimal128(cache_write_5m_part, 0) * ifNull(cache_write_5m_rate, 0)
            + toDecimal128(cache_write_1h_part, 0) * ifNull(cache_write_1h_rate, 0)
            + toDecimal128(input_audio_part, 0) * ifNull(input_audio_rate, 0),
            3
        ) / 1000000
    ) AS input_side,
    multiIf(
        output_tokens IS NULL, NULL,
        output_tokens = 0, toDecimal128(0, 9),
        output_rate IS NULL OR output_rest < 0, NULL,
        round(
            toDecimal128(output_rest, 0) * ifNull(output_rate, 0)
            + toDecimal128(output_audio_part, 0) * ifNull(output_audio_rate, 0)
            + toDecimal128(reasoning_part, 0) * ifNull(reasoning_rate, 0),
            3
        ) / 1000000
    ) AS output_side"""
_MEASURES_SQL: Final = """\
    count() AS calls,
    countIf(did_cost IS NOT NULL AND NOT unpriceable) AS compared_calls,
    sumIf(toDecimal128(ifNull(did_cost, 0), 9), NOT unpriceable) AS cost_usd,
    sumIf(toDecimal128(would_cost, 9), did_cost IS NOT NULL AND NOT unpriceable) AS would_cost_usd,
    countIf(unpriceable) AS unpriceable_calls,
    countIf(did_cost IS NULL) AS unpriced_calls"""
_WHOLE_SQL: Final = """\
    stretch = 0
        OR (input_side IS NULL AND input_tokens IS NOT NULL)
        OR (output_side IS NULL AND output_tokens IS NOT NULL) AS unpriceable,
    ifNull(input_side, 0) + ifNull(output_side, 0) + ifNull(request_rate, 0) / 1000000 AS would_cost"""
