"""What calls cost, by whom and when: one value object, turned into one statement with bound parameters."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, NamedTuple

import msgspec

from tokentrail.errors import TokentrailError
from tokentrail.processors.mappings import TARGETS
from tokentrail.processors.price_file import Markup
from tokentrail.processors.slicing import MAX_AHEAD_S, MAX_BEHIND_S
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.charge_sql import charged_sql
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.cost_rollup import choose_rollup, rollup_sql
from tokentrail.sinks.clickhouse.mapping_sql import known_mappings, mapped_on_day

COLUMNS: Final[Mapping[str, str]] = {
    "department": "call.department",
    "feature": "call.feature",
    "user": "call.user_id",
    "key": "call.api_key_id",
    "model": "call.model",
    "provider": "call.provider",
    "service": "call.service",
    "environment": "call.environment",
    "team": "call.attributes['team']",
}
"""What costs can be grouped and filtered by, and the column of `calls_corrected` behind it."""
MAPPED: Final[Mapping[str, str]] = {
    target: mapped_on_day(target, COLUMNS.get(target, "''"), day="toDate(call.time)", team=COLUMNS["team"])
    for target in TARGETS
}
"""What takes the place of columns where mappings are applied; `cost_centre` is known only there."""
FIELDS: Final[Mapping[str, str]] = {
    name: f"call.{name}"
    for name in (
        "user_id", "api_key_id", "request_model", "response_model", "session_id", "request_source", "operation",
        "status",
    )
}  # fmt: skip
"""As `COLUMNS`, by the names that events have. `model` is `response_model`, or `request_model` where there is none."""
PERIODS: Final[Mapping[str, str]] = {"day": "toDate(call.time)", "hour": "toStartOfHour(call.time)"}
"""What costs can be grouped by besides; UTC."""

WANTS_PRICE: Final = "call.status IN ('SUCCESS', 'ABORTED') OR call.input_tokens > 0 OR call.output_tokens > 0"
"""Whether a call counts among the unpriced while it has no cost: it was answered, or it used tokens."""
MEASURES: Final = ("calls", "errors", "input_tokens", "output_tokens", "cost_usd", "unpriced_calls")
_MEASURES_SQL: Final = f"""\
    count() AS calls,
    countIf(call.status != 'SUCCESS') AS errors,
    sum(ifNull(call.input_tokens, 0)) AS input_tokens,
    sum(ifNull(call.output_tokens, 0)) AS output_tokens,
    sum(call.cost_usd) AS cost_usd,
    countIf(call.cost_usd IS NULL AND (
        {WANTS_PRICE}
    )) AS unpriced_calls"""
_MONEY_STEP: Final = Decimal("0.000000001")
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_AHEAD: Final = f"INTERVAL {MAX_AHEAD_S // 60} MINUTE"
_BEHIND: Final = f"INTERVAL {MAX_BEHIND_S // 86_400} DAY"


class CostQueryError(TokentrailError):
    """The question names something that costs are not kept by."""


class CostRow(msgspec.Struct, frozen=True):
    """One group. `cost_usd` is None where no call of it could be priced; `unpriced_calls` are not in `cost_usd`.

    `charged_usd` is the cost with its mark-ups, rounded half up to 1e-9 once it is summed up; None where it was not
    asked for.
    """

    group: dict[str, Any]
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    unpriced_calls: int
    charged_usd: Decimal | None = None


class CostFrame(NamedTuple):
    """What a statement about costs consists of besides its measures."""

    groups: dict[str, str]
    source: str
    conditions: str
    parameters: dict[str, Any]
    known: str = ""
    """What stands before the SELECT that reads `source`: mappings, where they are applied."""


class CostQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A question. `since` <= the call's time < `until`; a filter takes the calls that equal its value.

    With `mapped`, department, team and cost centre are those that the mappings of the call's day say. With `markups`,
    what departments are charged stands beside the cost.
    """

    by: tuple[str, ...] = ()
    since: datetime
    until: datetime | None = None
    filters: dict[str, str] = {}
    mapped: bool = False
    markups: tuple[Markup, ...] | None = None

    def to_sql(self, database: str) -> tuple[str, dict[str, Any]]:
        """Return the statement and its parameters.

        Raises:
            CostQueryError: `by` or `filters` names something unknown.
        """
        frame = self.frame(database)
        lines = [f"    {expression} AS `{name}`," for name, expression in frame.groups.items()]
        measures = _MEASURES_SQL
        if self.markups is not None:
            charged, parameters = charged_sql(self.markups, self._columns()["department"])
            measures += f",\n    {charged} AS charged_usd"
            frame.parameters.update(parameters)
        sql = frame.known + "\n".join(["SELECT", *lines, measures, frame.source, frame.conditions])
        if frame.groups:
            names = [f"`{name}`" for name in self.by]
            periods = [f"`{name}`" for name in self.by if name in PERIODS]
            order = [*periods, "cost_usd DESC", "calls DESC", *names]
            sql += f"\nGROUP BY {', '.join(names)}\nORDER BY {', '.join(order)}"
        return sql, frame.parameters

    def rolled_up_sql(self, database: str) -> tuple[str, dict[str, Any]] | None:
        """Return a statement with the same answer over the coarsest rollup that has it; None where none has.

        A rollup has ranges of whole hours in UTC, by its dimensions; mappings and mark-ups want the calls themselves.
        """
        if self.mapped or self.markups is not None:
            return None
        since, until = _in_utc(self.since), self.until and _in_utc(self.until)
        rollup = choose_rollup(self.by, self.filters, since, until)
        return rollup and rollup_sql(database, rollup, self.by, self.filters, since, until)

    def frame(self, database: str) -> CostFrame:
        """Return groups, FROM, WHERE and parameters; the table's alias is `call`.

        Raises:
            CostQueryError: `by` or `filters` names something unknown.
        """
        conditions, parameters = self._conditions()
        targets = [name for name in TARGETS if self.mapped and name in {*self.by, *self.filters, *self._charged()}]
        return CostFrame(
            groups={name: self._expression(name) for name in self.by},
            source=f"FROM `{database}`.calls_corrected AS call",
            conditions=f"WHERE {' AND '.join(conditions)}",
            parameters=parameters,
            known=f"{known_mappings(*targets, mappings=f'`{database}`.mappings')}\n" if targets else "",
        )

    def _charged(self) -> tuple[str, ...]:
        return () if self.markups is None else ("department",)

    def _conditions(self) -> tuple[list[str], dict[str, Any]]:
        # `appended_at` says nothing more than `time`; it is what partitions are pruned by.
        conditions = [
            "call.time >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')",
            f"call.appended_at >= fromUnixTimestamp64Micro({{since_us:Int64}}, 'UTC') - {_AHEAD}",
        ]
        parameters: dict[str, Any] = {"since_us": _microseconds(self.since)}
        if self.until is not None:
            conditions += [
                "call.time < fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')",
                f"call.appended_at < fromUnixTimestamp64Micro({{until_us:Int64}}, 'UTC') + {_BEHIND}",
            ]
            parameters["until_us"] = _microseconds(self.until)
        for name, value in self.filters.items():
            column = self._columns().get(name)
            if column is None:
                raise CostQueryError(f"Costs cannot be filtered by {name!r}; choose from {', '.join(self._columns())}.")
            conditions.append(f"{column} = {{where_{name}:String}}")
            parameters[f"where_{name}"] = value
        return conditions, parameters

    def _expression(self, name: str) -> str:
        expression = self._columns().get(name) or PERIODS.get(name)
        if expression is None:
            known = ", ".join((*self._columns(), *PERIODS))
            hint = "; cost_centre is known where mappings are applied" if name == "cost_centre" else ""
            raise CostQueryError(f"Costs are not kept by {name!r}; choose from {known}{hint}.")
        return expression

    def _columns(self) -> dict[str, str]:
        return {**COLUMNS, **FIELDS, **(MAPPED if self.mapped else {})}


def read_costs(settings: Settings, query: CostQuery) -> list[CostRow]:
    """Ask the ledger; the dearest group first, within each period where the question has one. Blocking.

    Raises:
        CostQueryError: the question names something unknown.
        EngineError: the engine cannot be reached or refuses.
    """
    sql, parameters = query.rolled_up_sql(settings.clickhouse_database) or query.to_sql(settings.clickhouse_database)
    client = connect(settings)
    try:
        with engine_errors(settings):
            rows = client.query(sql, parameters).result_rows
    finally:
        client.close()
    width = len(query.by)
    return [_cost_row(dict(zip(query.by, row[:width], strict=True)), *row[width:]) for row in rows]


def _cost_row(group: dict[str, Any], *measures: Any) -> CostRow:  # what the engine gave, by column
    row = CostRow(group, *measures)
    if row.charged_usd is None:
        return row
    return msgspec.structs.replace(row, charged_usd=row.charged_usd.quantize(_MONEY_STEP, ROUND_HALF_UP))


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _microseconds(moment: datetime) -> int:
    return (_in_utc(moment) - _EPOCH) // timedelta(microseconds=1)
