"""The statements of a re-pricing: calls priced anew by the ledger's own view, compared with what they cost now. No I/O.

The cost expression exists once, in the view that fills `calls`. Its SELECT is run over `calls` in place of the
archive, with the rate that the price book gives now in place of the one that was stored.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from tokentrail.errors import LedgerError
from tokentrail.processors.repricing import BOUNDS, PricingRule

_PARSED: Final = re.compile(r"JSONExtract\((?:[^()]|\([^()]*\))*?, '(Tuple\((?:[^'\\]|\\.|'')*)'\) AS call")
_SOURCE: Final = re.compile(r"\bFROM `?[\w-]+`?\.`?(?:events_in|event_log)`? WHERE\b")
_RULE_TYPE: Final = "Tuple(Date32, Date32, UInt32, UInt32, Int64, Int64, UInt64)"
COLUMNS: Final = (
    "kafka_partition", "kafka_offset", "revision", "run_id", "reason", "appended_at", "time", "department", "service",
    "environment", "provider", "model", "status", "feature", "team", "user_id", "api_key_id", "request_source",
    "wants_price", "old_input_cost", "old_output_cost", "old_cost_usd", "old_rate_id", "new_input_cost",
    "new_output_cost", "new_cost_usd", "new_currency", "new_price_source", "new_price_version", "new_rate_id",
)  # fmt: skip
"""Of `cost_corrections`, as `corrections_select` gives them."""
_COSTS: Final = ("input_cost", "output_cost", "cost_usd")


def rule_parameters(rules: Sequence[PricingRule]) -> dict[str, list[Any]]:
    """Return the rules as columns, to be bound to the statement."""
    columns: dict[str, list[Any]] = {
        f"rule_{name}": [getattr(rule.model, name) for rule in rules] for name in ("provider", "model", "service_tier")
    }
    for name in BOUNDS:
        columns[f"rule_{name}"] = [getattr(rule.stretch, name) for rule in rules]
    columns["rule_rate_id"] = [rule.stretch.rates.rate_id for rule in rules]
    return columns


def priced_select(view_select: str, database: str, condition: str) -> str:
    """Return the view's SELECT over the calls that meet a condition, each with the rate of the bound rules.

    Raises:
        LedgerError: the view is not of a form that can be run so.
    """
    parsed = _PARSED.search(view_select)
    if parsed is None or len(_SOURCE.findall(view_select)) != 1:
        raise LedgerError(
            "The view that fills calls was changed by hand: calls cannot be priced again with it. Restore it from the "
            "migrations."
        )
    names = tuple_of(parsed[1])
    from_calls = f"CAST({names}, '{parsed[1]}') AS call"
    source = f"FROM ({_calls_with_rates(database, condition)}) WHERE"
    with_calls = view_select.replace(parsed[0], from_calls)
    return _SOURCE.sub(lambda _: source, with_calls)


def tuple_of(kind: str) -> str:
    """Return the columns that fill a named tuple's type: `(a, (b, c))` for `Tuple(a T, x Tuple(b T, c T))`."""
    inside = re.sub(r"\\n|\s+", " ", kind).strip().removeprefix("Tuple(").removesuffix(")")
    elements = []
    for field in _split(inside):
        name, _, its_kind = field.strip().partition(" ")
        elements.append(tuple_of(its_kind) if its_kind.startswith("Tuple(") else name)
    return f"({', '.join(elements)})"


def corrections_select(view_select: str, database: str, chosen: str, condition: str) -> str:
    """Return what `cost_corrections` lacks: calls whose cost is not what it would be now.

    `chosen` is the condition for calls under the name `call`; `condition` cuts the chunk, and names no table.
    """
    differs = " OR ".join(f"isNull(was.{c}) != isNull(now.{c}) OR ifNull(was.{c} != now.{c}, false)" for c in _COSTS)
    return f"""
        SELECT was.kafka_partition AS kafka_partition, was.kafka_offset AS kafka_offset,
            was.correction + 1 AS revision, {{run_id:String}} AS run_id, {{reason:String}} AS reason,
            was.appended_at AS appended_at, was.time AS time, was.department AS department, was.service AS service,
            was.environment AS environment, was.provider AS provider, was.model AS model, was.status AS status,
            was.feature AS feature, was.team AS team, was.user_id AS user_id, was.api_key_id AS api_key_id,
            was.request_source AS request_source, was.wants_price AS wants_price,
            was.input_cost AS old_input_cost, was.output_cost AS old_output_cost, was.cost_usd AS old_cost_usd,
            was.rate_id AS old_rate_id, now.input_cost AS new_input_cost, now.output_cost AS new_output_cost,
            now.cost_usd AS new_cost_usd, now.currency AS new_currency, now.price_source AS new_price_source,
            now.price_version AS new_price_version, now.rate_id AS new_rate_id
        FROM
        (
            SELECT call.*, call.attributes['team'] AS team, ifNull(call.status IN ('SUCCESS', 'ABORTED')
                OR call.input_tokens > 0 OR call.output_tokens > 0, false) AS wants_price
            FROM `{database}`.calls_corrected AS call
            WHERE {chosen} AND {condition}
        ) AS was
        INNER JOIN
        (
            SELECT kafka_partition, kafka_offset, input_cost, output_cost, cost_usd, currency, price_source,
                price_version, rate_id
            FROM ({priced_select(view_select, database, condition)})
        ) AS now ON now.kafka_partition = was.kafka_partition AND now.kafka_offset = was.kafka_offset
        WHERE {differs}
    """  # noqa: S608  # names of ours, conditions with bound parameters


def _calls_with_rates(database: str, condition: str) -> str:
    bounds = ", ".join(f"{{rule_{name}:Array({kind})}}" for name, kind in zip(
        (*BOUNDS, "rate_id"), ("Date32", "Date32", "UInt32", "UInt32", "Int64", "Int64", "UInt64"), strict=True
    ))  # fmt: skip
    return f"""
        SELECT chosen.* EXCEPT rate_id, 'llm.call.completed' AS event_type,
            tupleElement(arrayFirst(
                rule -> toDate32(chosen.time) >= rule.1 AND toDate32(chosen.time) < rule.2
                    AND dateDiff('second', toStartOfDay(chosen.time), toDateTime(chosen.time, 'UTC')) >= rule.3
                    AND dateDiff('second', toStartOfDay(chosen.time), toDateTime(chosen.time, 'UTC')) < rule.4
                    AND toInt64(ifNull(chosen.input_tokens, 0)) > rule.5
                    AND toInt64(ifNull(chosen.input_tokens, 0)) <= rule.6,
                rules.its_rules
            ), 7) AS rate_id
        FROM (SELECT * FROM `{database}`.calls WHERE {condition}) AS chosen
        LEFT ANY JOIN
        (
            SELECT rule_provider, rule_model, rule_service_tier,
                groupArray(CAST((bounds.1, bounds.2, bounds.3, bounds.4, bounds.5, bounds.6, bounds.7), '{_RULE_TYPE}'))
                    AS its_rules
            FROM
            (
                SELECT {{rule_provider:Array(String)}} AS rule_provider, {{rule_model:Array(String)}} AS rule_model,
                    {{rule_service_tier:Array(String)}} AS rule_service_tier, arrayZip({bounds}) AS bounds
            )
            ARRAY JOIN rule_provider, rule_model, rule_service_tier, bounds
            GROUP BY rule_provider, rule_model, rule_service_tier
        ) AS rules ON rules.rule_provider = toString(chosen.provider) AND rules.rule_model = toString(chosen.model)
            AND rules.rule_service_tier = toString(chosen.service_tier)
    """  # noqa: S608  # names of ours


def _split(text: str) -> list[str]:
    """Split at the commas that are in no parentheses."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
