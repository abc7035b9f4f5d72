"""Reports from the ledger: asks the named queries through the reader account, and builds. Blocking."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tokentrail.processors.budget_file import load_budget_file
from tokentrail.processors.price_sources import read_markups
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.budget_spend import read_budgets
from tokentrail.sinks.clickhouse.cost_query import CostQuery, read_costs
from tokentrail.sinks.clickhouse.named_queries import Answer, NamedQuery, find_query, run_queries
from tokentrail.sinks.reports import cost_report as costs
from tokentrail.sinks.reports import security_report as security
from tokentrail.sinks.reports import stats_report as stats
from tokentrail.sinks.reports.report import Period, Report

_EVERY = "1000000"
"""As many rows as the reader account may have."""
_FEW = {"limit": "20"}


def read_stats_report(settings: Settings, minutes: int, now: datetime) -> Report:
    """Return the statistics of the last full minutes.

    Raises:
        EngineError: the engine cannot be reached or refuses.
    """
    period, before = stats.stats_periods(now, minutes)
    answers = _ask(settings, stats.QUERIES, stats.COMPARED, (period, before), {"active_alerts": _long_before(period)})
    return stats.stats_report(answers, period, before, now)


def read_security_report(settings: Settings, span: security.Span, now: datetime) -> Report:
    """Return the report of the last full hour or day; as `read_stats_report`."""
    period, before = security.security_periods(now, span)
    queries = (*security.QUERIES, security.CHARTS[span])
    # What began within the period has an hour to end; alerts that began long ago may still be open.
    own = {
        "unfinished_calls": {**_FEW, "until": _text(min(period.until, now - timedelta(hours=1)))},
        "active_alerts": _long_before(period),
        "auth_failures": _FEW,
        "errors": _FEW,
    }
    answers = _ask(settings, queries, security.COMPARED, (period, before), own)
    return security.security_report(answers, span, period, before, now)


def read_cost_report(settings: Settings, month: date, now: datetime, *, mapped: bool) -> Report:
    """Return the costs of a month, with budgets, splits and mark-ups where the settings name them.

    Raises:
        EngineError: the engine cannot be reached or refuses.
        AttributionError: the budget file cannot be used.
        PriceListError: the price file cannot be used.
    """
    period, before = costs.cost_periods(month, now)
    file = load_budget_file(settings.budgets)
    departments = "spend_by_mapped_department" if mapped else "spend_by_department"
    own = {departments: {"limit": _EVERY}}
    queries = (*costs.QUERIES, departments)
    answers = _ask(settings, queries, (*costs.COMPARED, departments), (period, before), own)
    # As of the month's last moment: a month that is over has nothing left to forecast.
    at = period.until - timedelta(microseconds=1)
    return costs.cost_report(
        answers,
        departments=departments,
        budgets=read_budgets(settings, file.budget, at) if file.budget else [],
        splits=[split for split in file.split if "department" in split.of],
        charged=_charged(settings, period, mapped=mapped),
        period=period,
        before=before,
        made_at=now,
    )


def _ask(
    settings: Settings,
    names: Iterable[str],
    compared: Iterable[str],
    periods: tuple[Period, Period],
    own: Mapping[str, Mapping[str, str]],
) -> dict[str, Answer]:
    wanted: dict[str, tuple[NamedQuery, Mapping[str, str]]] = {}
    period, before = periods
    for name in names:
        wanted[name] = find_query(name), {**_bounds(period), **own.get(name, {})}
    for name in compared:
        wanted[f"{name} before"] = find_query(name), {**own.get(name, {}), **_bounds(before)}
    return run_queries(settings, wanted, period.until)


def _long_before(period: Period) -> dict[str, str]:
    return {"since": _text(period.until - timedelta(days=30))}


def _bounds(period: Period) -> dict[str, str]:
    return {"since": _text(period.since), "until": _text(period.until)}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _charged(settings: Settings, period: Period, *, mapped: bool) -> dict[str, Decimal | None] | None:
    markups = read_markups(settings)
    if not markups:
        return None
    query = CostQuery(by=("department",), since=period.since, until=period.until, mapped=mapped, markups=markups)
    return {str(row.group["department"]): row.charged_usd for row in read_costs(settings, query)}
