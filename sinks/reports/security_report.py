"""The security report of an hour or a day: who called, what failed, what the rules found, what to do. No I/O."""

from datetime import datetime, timedelta
from typing import Final, Literal

from tokentrail.sinks.reports.answers import Answers, chart_over_time, figures_of, recommendations_of, table_of
from tokentrail.sinks.reports.report import Figure, Period, Report
from tokentrail.sinks.reports.usage_tables import (
    ACTIVE_ALERTS,
    ANOMALIES,
    AUTH_FAILURES,
    ERRORS,
    TOP_SPENDERS,
    UNFINISHED,
    USAGE_FIGURES,
)

Span = Literal["hourly", "daily"]
QUERIES: Final = (
    "activity", "auth_failures", "alerts_by_rule", "active_alerts", "errors", "top_spenders", "unfinished_calls",
)  # fmt: skip
CHARTS: Final = {"hourly": "calls_by_minute", "daily": "spend_by_hour"}
"""What the chart is made of."""
COMPARED: Final = ("activity", "alerts_by_rule")
"""Asked of the period before as well."""


def security_periods(now: datetime, span: Span) -> tuple[Period, Period]:
    """Return the last full hour or UTC day, and the one before."""
    until = now.replace(minute=0, second=0, microsecond=0)
    step = timedelta(hours=1)
    if span == "daily":
        until, step = until.replace(hour=0), timedelta(days=1)
    return Period(until - step, until), Period(until - 2 * step, until - step)


def security_report(answers: Answers, span: Span, period: Period, before: Period, made_at: datetime) -> Report:
    """Build the report from the answers to `QUERIES` and the query of the chart."""
    tables = (ANOMALIES, ACTIVE_ALERTS, AUTH_FAILURES, ERRORS, TOP_SPENDERS, UNFINISHED)
    over_time = answers[CHARTS[span]]
    return Report(
        name=f"security-{span}",
        title=f"Security report of the {'hour' if span == 'hourly' else 'day'}",
        period=period,
        before=before,
        made_at=made_at,
        figures=(
            *figures_of(
                answers,
                "activity",
                [
                    ("users", "users", "count", False),
                    ("api_keys", "API keys", "count", False),
                    ("auth_failures", "auth failures", "count", True),
                    *USAGE_FIGURES,
                ],
            ),
            _alerts(answers),
            Figure(name="open alerts", kind="count", value=len(answers["active_alerts"].rows), more_is="worse"),
        ),
        charts=(
            chart_over_time(over_time, "Calls over time", period, "calls", "count"),
            chart_over_time(over_time, "Failures over time", period, "failures", "count"),
        ),
        tables=tuple(table_of(answers[name], heading, columns, empty) for name, heading, columns, empty in tables),
        recommendations=tuple(recommendations_of(answers["alerts_by_rule"])),
    )


def _alerts(answers: Answers) -> Figure:
    now, before = (
        sum(record["alerts"] for record in answers[name].records())
        for name in ("alerts_by_rule", "alerts_by_rule before")
    )
    return Figure(name="alerts", kind="count", value=now, before=before, more_is="worse")
