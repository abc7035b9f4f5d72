"""Statistics of the last minutes: calls, failures, cost, tokens, latency, by model and by error. No I/O."""

from datetime import datetime, timedelta
from typing import Final

from tokentrail.sinks.reports.answers import Answers, chart_over_time, figures_of, recommendations_of, table_of
from tokentrail.sinks.reports.report import Period, Report
from tokentrail.sinks.reports.usage_tables import (
    ACTIVE_ALERTS,
    ANOMALIES,
    BY_MODEL,
    ERRORS,
    OUTCOMES,
    TOP_USERS,
    USAGE_FIGURES,
)

QUERIES: Final = (
    "statistics", "statistics_by_model", "statuses", "errors", "top_users", "users", "calls_by_minute", "active_alerts",
    "alerts_by_rule",
)  # fmt: skip
COMPARED: Final = ("statistics", "users")
"""Asked of the period before as well."""


def stats_periods(now: datetime, minutes: int) -> tuple[Period, Period]:
    """Return the last full minutes, and as many before."""
    until = now.replace(second=0, microsecond=0)
    since = until - timedelta(minutes=minutes)
    return Period(since, until), Period(since - timedelta(minutes=minutes), since)


def stats_report(answers: Answers, period: Period, before: Period, made_at: datetime) -> Report:
    """Build the report from the answers to `QUERIES`."""
    minutes = int((period.until - period.since) / timedelta(minutes=1))
    tables = (BY_MODEL, OUTCOMES, ERRORS, TOP_USERS, ANOMALIES, ACTIVE_ALERTS)
    return Report(
        name="stats",
        title=f"Statistics of {minutes} minutes",
        period=period,
        before=before,
        made_at=made_at,
        figures=(
            *figures_of(answers, "statistics", USAGE_FIGURES),
            *figures_of(
                answers,
                "users",
                [("users", "users", "count", False), ("auth_failures", "auth failures", "count", True)],
            ),
        ),
        charts=(chart_over_time(answers["calls_by_minute"], "Calls over time", period, "calls", "count"),),
        tables=tuple(table_of(answers[name], title, columns, empty) for name, title, columns, empty in tables),
        recommendations=tuple(recommendations_of(answers["alerts_by_rule"])),
    )
