"""The cost report of a month: per department with budget and what is left, beside the month before. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from tokentrail.processors.budget_status import BudgetStatus
from tokentrail.processors.cost_split import SpendRow, split_costs
from tokentrail.processors.unpriced import unpriced_hint
from tokentrail.schemas.budgets import CostSplit
from tokentrail.sinks.reports.answers import Answers, chart_of_names, chart_over_time, figures_of, table_of
from tokentrail.sinks.reports.report import Chart, Column, Period, Recommendation, Report, Table
from tokentrail.sinks.reports.usage_tables import TOP_SPENDERS, USAGE_FIGURES

QUERIES: Final = ("activity", "spend_by_model", "spend_by_feature", "top_spenders", "spend_by_day", "unpriced_models")
COMPARED: Final = ("activity",)
"""Asked of the period before as well, as are the departments."""
_ZERO: Final = Decimal(0)
_NO_NAME: Final = "(none)"


def cost_periods(month: date, now: datetime) -> tuple[Period, Period]:
    """Return a month, up to now if it is not over, and the same days of the month before."""
    first = datetime(month.year, month.month, 1, tzinfo=UTC)
    next_first = (first + timedelta(days=32)).replace(day=1)
    until = min(next_first, max(now.astimezone(UTC), first + timedelta(seconds=1)))
    first_before = (first - timedelta(days=1)).replace(day=1)
    until_before = first if until == next_first else min(first_before + (until - first), first)
    return Period(first, until), Period(first_before, until_before)


def cost_report(  # noqa: PLR0913 - what a month's costs are made of
    answers: Answers,
    *,
    departments: str,
    budgets: Sequence[BudgetStatus],
    splits: Sequence[CostSplit],
    charged: Mapping[str, Decimal | None] | None,
    period: Period,
    before: Period,
    made_at: datetime,
) -> Report:
    """Build the report from the answers to `QUERIES` and `departments`, the query of spend by department.

    `charged` is what departments are charged, by department; None without mark-ups. Budgets of exactly one department
    stand in its row; all stand in a table of their own.
    """
    by_department = _by_department(answers, departments, budgets, splits, charged)
    model = answers["spend_by_model"]
    return Report(
        name="costs",
        title=f"Costs of {period.since:%B %Y}",
        period=period,
        before=before,
        made_at=made_at,
        figures=tuple(figures_of(answers, "activity", [each for each in USAGE_FIGURES if each[2] != "ms"])),
        charts=(
            chart_over_time(answers["spend_by_day"], "Cost by day, USD", period, "cost_usd", "usd"),
            _chart(by_department),
            chart_of_names(model, "Cost by model, USD", "model", "cost_usd", "usd"),
        ),
        tables=(
            by_department,
            _budget_table(budgets),
            *(
                table_of(answers[query], title, [(name, name, "text"), *_SPEND], "No calls.")
                for query, title, name in (
                    ("spend_by_model", "By model", "model"),
                    ("spend_by_feature", "By feature", "feature"),
                )
            ),
            table_of(answers[TOP_SPENDERS[0]], *TOP_SPENDERS[1:]),
            table_of(
                answers["unpriced_models"],
                "Unpriced calls, which are in no sum above",
                [
                    ("provider", "provider", "text"),
                    ("model", "model", "text"),
                    ("unpriced_calls", "calls", "count"),
                ],
                "No call is unpriced.",
            ),
        ),
        recommendations=tuple(_recommendations(budgets, answers, period)),
        notes=tuple(_notes(splits, departments, period)),
    )


_SPEND: Final[list[tuple[str, str, Any]]] = [
    ("calls", "calls", "count"),
    ("input_tokens", "input tokens", "count"),
    ("output_tokens", "output tokens", "count"),
    ("cost_usd", "cost USD", "usd"),
    ("unpriced_calls", "unpriced", "count"),
]


def _by_department(
    answers: Answers,
    query: str,
    budgets: Sequence[BudgetStatus],
    splits: Sequence[CostSplit],
    charged: Mapping[str, Decimal | None] | None,
) -> Table:
    now, before = _split(answers, query, splits), _split(answers, f"{query} before", splits)
    own = {each.where["department"]: each for each in budgets if each.where.keys() == {"department"}}
    names = sorted({*now, *before, *own}, key=lambda name: (-(_cost(now, name) or _ZERO), name))
    rows = []
    for name in names:
        row, cost, budget = now.get(name), _cost(now, name), own.get(name)
        direct = row.direct_usd if row else None
        left = None if budget is None else budget.limit_usd - (cost or _ZERO)
        rows.append(
            (
                name or _NO_NAME,
                row.calls if row else 0,
                *((direct, (cost or _ZERO) - (direct or _ZERO)) if splits else ()),
                cost,
                *((charged.get(name),) if charged is not None else ()),
                budget and budget.limit_usd,
                left,
                None if budget is None else 1 - float(left or 0) / float(budget.limit_usd),
                _cost(before, name),
            )
        )
    columns = (
        Column("department"),
        Column("calls", "count"),
        *((Column("direct USD", "usd"), Column("handed on USD", "usd")) if splits else ()),
        Column("cost USD", "usd"),
        *((Column("charged USD", "usd"),) if charged is not None else ()),
        Column("budget USD", "usd"),
        Column("remaining USD", "usd"),
        Column("used", "ratio"),
        Column("before USD", "usd"),
    )
    return Table(title="By department", columns=columns, rows=tuple(rows), empty="No calls.")


def _split(answers: Answers, query: str, splits: Sequence[CostSplit]) -> dict[str, SpendRow]:
    rows = [
        SpendRow(
            group={"department": record["department"]},
            calls=record["calls"],
            direct_usd=record["cost_usd"],
            cost_usd=record["cost_usd"],
        )
        for record in answers[query].records()
    ]
    return {row.group["department"]: row for row in split_costs(rows, splits)}


def _cost(rows: Mapping[str, SpendRow], name: str) -> Decimal | None:
    return rows[name].cost_usd if name in rows else None


def _chart(table: Table) -> Chart:
    at = [column.name for column in table.columns].index("cost USD")
    shown = [row for row in table.rows if row[at]][:10]
    return Chart(
        title="Cost by department, USD",
        form="bars",
        kind="usd",
        labels=tuple(row[0] for row in shown),
        values=tuple(row[at] for row in shown),
    )


def _budget_table(budgets: Sequence[BudgetStatus]) -> Table:
    money = ("limit USD", "spent USD", "remaining USD")
    return Table(
        title="Budgets",
        columns=(
            Column("budget"),
            *(Column(name, "usd") for name in money),
            Column("used", "ratio"),
            Column("forecast USD", "usd"),
            Column("low USD", "usd"),
            Column("high USD", "usd"),
            Column("state"),
        ),
        rows=tuple(
            (
                each.name,
                each.limit_usd,
                each.spent_usd,
                each.remaining_usd,
                each.used,
                each.forecast.expected_usd,
                each.forecast.low_usd,
                each.forecast.high_usd,
                each.state,
            )
            for each in budgets
        ),
        empty="There are no budgets.",
    )


def _recommendations(budgets: Iterable[BudgetStatus], answers: Answers, period: Period) -> Iterable[Recommendation]:
    for each in budgets:
        if each.reached or each.burning:
            told = f" Tell {', '.join(each.recipients)}." if each.recipients else ""
            yield Recommendation(
                severity="HIGH" if each.spent_usd > each.limit_usd else "MEDIUM",
                because=f"budget {each.name}: {each.state}",
                text=f"Agree on more, or stop what can wait until the first.{told}",
            )
    unpriced = sum(record["unpriced_calls"] for record in answers["unpriced_models"].records())
    if unpriced:
        # The query is of whole days.
        end = (period.until + timedelta(days=1) - timedelta(microseconds=1)).date()
        options = ("--since", f"{period.since.date()}", "--until", f"{end}")
        yield Recommendation(severity="WARNING", because="unpriced calls", text=unpriced_hint(unpriced, options))


def _notes(splits: Sequence[CostSplit], departments: str, period: Period) -> Iterable[str]:
    if "mapped" in departments:
        yield "Departments are those that the mappings of each day say."
    if splits:
        yield f"Shared cost was handed on: {', '.join(each.name for each in splits)}. The sum is the same."
    if period.until != (period.since + timedelta(days=32)).replace(day=1):
        yield "The month is not over; it is compared with as much of the month before."
    yield "Budgets are of direct cost; remaining and used in the table of departments count what was handed on as well."
