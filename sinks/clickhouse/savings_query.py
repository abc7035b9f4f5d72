"""What the same calls would have cost at another model's prices: each call priced anew, exactly, inside the engine.

The formula is the ledger's own, call by call: a long context prices all of a call, and each side is rounded, so sums of
tokens could not tell.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from tokentrail.errors import PriceListError
from tokentrail.processors.price_stretches import PriceStretch, price_stretches
from tokentrail.processors.pricing import PriceBook
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.cost_formula import RATE_TYPES, cost_formula, rates_tuple, usage_tuple
from tokentrail.sinks.clickhouse.cost_query import CostQuery

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
    frame, formula = query.frame(database), cost_formula()
    names = [f"`{name}`" for name in frame.groups]
    groups = [f"    {expression} AS `{name}`," for name, expression in frame.groups.items()]
    # One level of SELECT for each step: aliases that stand for aliases, in one, take the engine seconds to resolve.
    sql = frame.known + "\n".join(["SELECT", *groups, _METERED_SQL, frame.source, frame.conditions + _METERED])
    sql = f"SELECT *,\n    {_RATES_SQL} AS rates\nFROM (\n{sql}\n)"
    kept = "".join(f"    {name},\n" for name in (*names, "did_cost", "unpriced AS unpriceable"))
    sql = f"WITH\n{formula.steps}\nSELECT\n{kept}    {formula.cost} AS would_cost\nFROM (\n{sql}\n)"
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
    days = _days(query)
    found: list[SavingsRow] = []
    client = connect(settings)
    try:
        with engine_errors(settings):
            for one in alternatives:
                stretches = _stretches(prices, one, *days)
                sql, parameters = savings_sql(query, settings.clickhouse_database, stretches)
                width = len(query.by)
                found += [
                    SavingsRow(one, dict(zip(query.by, row[:width], strict=True)), *row[width:])
                    for row in client.query(sql, parameters).result_rows
                ]
    finally:
        client.close()
    return found


def require_prices(prices: PriceBook, query: CostQuery, alternatives: Iterable[Alternative]) -> None:
    """Make sure that each alternative has a price on some day of the question: a model misspelt has none on any.

    Raises:
        PriceListError: names the alternatives without.
    """
    unknown = [
        f"{one.provider}/{one.model}" + (f" in tier {one.service_tier}" if one.service_tier else "")
        for one in alternatives
        if not _stretches(prices, one, *_days(query))
    ]
    if unknown:
        raise PriceListError(
            f"No price is known for {' and '.join(unknown)} since {query.since:%Y-%m-%d}: `tokentrail prices show "
            "--provider NAME` lists a provider's models; your own price list may add one."
        )


def _days(query: CostQuery) -> tuple[date, date]:
    """Return the first day, and the day after the last."""
    until = query.until or datetime.now(UTC) + timedelta(days=1)
    return query.since.date(), until.date() + timedelta(days=1)


def _stretches(prices: PriceBook, one: Alternative, first_day: date, until_day: date) -> list[PriceStretch]:
    return price_stretches(
        lambda day: prices.tariffs_on(one.provider, one.model, one.service_tier, day), first_day, until_day
    )


def _columns(stretches: Sequence[PriceStretch]) -> dict[str, Any]:
    columns: dict[str, Any] = {f"stretch_{name}": [getattr(one, name) for one in stretches] for name in _BOUNDS}
    for name in RATE_TYPES:
        columns[f"rate_{name}"] = [_amount(getattr(one.rates, name)) for one in stretches]
    return columns


def _amount(rate: Decimal | bool | None) -> Decimal | int | None:  # noqa: FBT001  # one of the values of a column
    return rate.quantize(_RATE_STEP) if isinstance(rate, Decimal) else None if rate is None else int(rate)


_METERED: Final = " AND (call.input_tokens IS NOT NULL OR call.output_tokens IS NOT NULL)"
_METERED_SQL: Final = f"""\
    call.cost_usd AS did_cost,
    {usage_tuple("call")} AS usage,
    arrayFirstIndex(
        (first_day, until_day, from_second, until_second, above, top) ->
            toDate32(call.time) >= first_day AND toDate32(call.time) < until_day
            AND toSecond(call.time) + 60 * toMinute(call.time) + 3600 * toHour(call.time) >= from_second
            AND toSecond(call.time) + 60 * toMinute(call.time) + 3600 * toHour(call.time) < until_second
            AND toInt64(ifNull(call.input_tokens, 0)) > above AND toInt64(ifNull(call.input_tokens, 0)) <= top,
        {{stretch_first_day:Array(Date32)}}, {{stretch_until_day:Array(Date32)}},
        {{stretch_from_second:Array(UInt32)}}, {{stretch_until_second:Array(UInt32)}},
        {{stretch_above_input_tokens:Array(Int64)}}, {{stretch_to_input_tokens:Array(Int64)}}
    ) AS stretch"""
_RATES_SQL: Final = rates_tuple("toUInt64(stretch)", lambda name, kind: f"{{rate_{name}:Array({kind})}}[stretch]")
"""Behind the last stretch are defaults: there is no price, as `rate_id` 0 says."""
_MEASURES_SQL: Final = """\
    count() AS calls,
    countIf(did_cost IS NOT NULL AND NOT unpriceable) AS compared_calls,
    sumIf(toDecimal128(ifNull(did_cost, 0), 9), NOT unpriceable) AS cost_usd,
    sumIf(toDecimal128(ifNull(would_cost, 0), 9), did_cost IS NOT NULL AND NOT unpriceable) AS would_cost_usd,
    countIf(unpriceable) AS unpriceable_calls,
    countIf(did_cost IS NULL) AS unpriced_calls"""
