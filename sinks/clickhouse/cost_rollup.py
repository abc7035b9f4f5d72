"""Which rollup answers a question about costs, if one does, and the statement for it. No I/O."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

_COLUMNS: Final[Mapping[str, str]] = {
    "user": "user_id",
    "key": "api_key_id",
    **{
        name: name
        for name in (
            "department", "feature", "model", "provider", "service", "environment", "team", "user_id", "api_key_id",
            "request_source", "status",
        )
    },
}  # fmt: skip
"""What the rollups by hour and by day are kept by, as questions name it."""
_PERSONAL: Final = frozenset(("user", "key", "user_id", "api_key_id"))
"""What only the larger ones have."""
_MEASURES: Final = """\
    sum(rolled.calls) AS calls,
    sumIf(rolled.calls, rolled.status != 'SUCCESS') AS errors,
    sum(rolled.input_tokens) AS input_tokens,
    sum(rolled.output_tokens) AS output_tokens,
    if(sum(rolled.priced_calls) = 0, NULL, sum(rolled.cost_usd)) AS cost_usd,
    sum(rolled.unpriced_calls) AS unpriced_calls"""
_HOUR: Final = timedelta(hours=1)


def choose_rollup(
    by: Sequence[str], filters: Mapping[str, str], since: datetime, until: datetime | None
) -> tuple[str, str] | None:
    """Return the smallest rollup that has the dimensions and whose buckets the range does not cut, and its column."""
    if not {*by, *filters} <= {*_COLUMNS, "day", "hour"} or not {*filters} <= {*_COLUMNS}:
        return None
    moments = [since] if until is None else [since, until]
    if any(moment.minute or moment.second or moment.microsecond for moment in moments):
        return None
    whole_days = not any(moment.hour for moment in moments)
    bucket = "day" if whole_days and "hour" not in by else "hour"
    return f"{'usage' if _PERSONAL.isdisjoint((*by, *filters)) else 'calls'}_{bucket}", bucket


def rollup_sql(  # noqa: PLR0913, PLR0917  # the parts of a question
    database: str,
    rollup: tuple[str, str],
    by: Sequence[str],
    filters: Mapping[str, str],
    since: datetime,
    until: datetime | None,
) -> tuple[str, dict[str, Any]]:
    """Return the statement over a rollup and its parameters; `since` and `until` are in UTC."""
    table, column = rollup
    groups = [f"    {_expression(name, column)} AS `{name}`," for name in by]
    parameters: dict[str, Any] = {"since_s": int(since.timestamp())}
    conditions = [f"rolled.{column} >= toDateTime({{since_s:Int64}}, 'UTC')"]
    if until is not None:
        conditions.append(f"rolled.{column} < toDateTime({{until_s:Int64}}, 'UTC')")
        parameters["until_s"] = int(until.timestamp())
    for name, value in filters.items():
        conditions.append(f"rolled.{_COLUMNS[name]} = {{where_{name}:String}}")
        parameters[f"where_{name}"] = value
    source = f"FROM `{database}`.{table} AS rolled"
    sql = "\n".join(["SELECT", *groups, _MEASURES, source, f"WHERE {' AND '.join(conditions)}"])
    if by:
        names = [f"`{name}`" for name in by]
        order = [*(f"`{name}`" for name in by if name in {"day", "hour"}), "cost_usd DESC", "calls DESC", *names]
        sql += f"\nGROUP BY {', '.join(names)}\nORDER BY {', '.join(order)}"
    return sql, parameters


def _expression(name: str, column: str) -> str:
    if name == "day" and column == "hour":
        return "toDate(rolled.hour)"
    return f"rolled.{_COLUMNS.get(name, name)}"
