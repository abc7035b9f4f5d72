"""The tables and figures that several reports have: query, title, columns, and what to say where there is none."""

from typing import Final

from tokentrail.sinks.reports.report import Kind

TableOf = tuple[str, str, tuple[tuple[str, str, Kind], ...], str]
_SPEND: Final[tuple[tuple[str, str, Kind], ...]] = (
    ("calls", "calls", "count"),
    ("failures", "failures", "count"),
    ("input_tokens", "input tokens", "count"),
    ("output_tokens", "output tokens", "count"),
    ("cost_usd", "cost USD", "usd"),
)

USAGE_FIGURES: Final[tuple[tuple[str, str, Kind, bool], ...]] = (
    ("calls", "calls", "count", False),
    ("failures", "failures", "count", True),
    ("failure_ratio", "failure ratio", "ratio", True),
    ("cost_usd", "cost USD", "usd", False),
    ("unpriced_calls", "unpriced calls", "count", True),
    ("input_tokens", "input tokens", "count", False),
    ("output_tokens", "output tokens", "count", False),
    ("average_ms", "average latency", "ms", True),
    ("p50_ms", "p50 latency", "ms", True),
    ("p95_ms", "p95 latency", "ms", True),
    ("p99_ms", "p99 latency", "ms", True),
)
BY_MODEL: Final[TableOf] = (
    "statistics_by_model",
    "By model",
    (
        ("provider", "provider", "text"),
        ("model", "model", "text"),
        *_SPEND,
        ("failure_ratio", "failed", "ratio"),
        ("average_ms", "average", "ms"),
        ("p50_ms", "p50", "ms"),
        ("p95_ms", "p95", "ms"),
        ("p99_ms", "p99", "ms"),
    ),
    "No calls.",
)
OUTCOMES: Final[TableOf] = (
    "statuses",
    "By outcome",
    (("status", "status", "text"), ("calls", "calls", "count"), ("share", "share", "ratio")),
    "No calls.",
)
ERRORS: Final[TableOf] = (
    "errors",
    "By error",
    (
        ("status", "status", "text"),
        ("error_type", "error", "text"),
        ("error_code", "code", "text"),
        ("provider", "provider", "text"),
        ("model", "model", "text"),
        ("calls", "calls", "count"),
        ("users", "users", "count"),
        ("last_at", "last", "moment"),
    ),
    "No call failed.",
)
TOP_USERS: Final[TableOf] = (
    "top_users",
    "Top users",
    (
        ("user", "user", "text"),
        ("calls", "calls", "count"),
        ("failures", "failures", "count"),
        ("tokens", "tokens", "count"),
        ("models", "models", "count"),
    ),
    "No call names a user.",
)
TOP_SPENDERS: Final[TableOf] = (
    "top_spenders",
    "Top spenders",
    (
        ("user", "user", "text"),
        ("departments", "department", "text"),
        ("calls", "calls", "count"),
        ("cost_usd", "cost USD", "usd"),
        ("share", "share", "ratio"),
    ),
    "No calls.",
)
ANOMALIES: Final[TableOf] = (
    "alerts_by_rule",
    "Anomalies by rule",
    (
        ("severity", "severity", "text"),
        ("rule", "rule", "text"),
        ("alerts", "alerts", "count"),
        ("open_alerts", "open", "count"),
        ("first_at", "first", "moment"),
        ("last_at", "last", "moment"),
    ),
    "No rule fired.",
)
ACTIVE_ALERTS: Final[TableOf] = (
    "active_alerts",
    "Active alerts",
    (
        ("severity", "severity", "text"),
        ("rule", "rule", "text"),
        ("summary", "what", "text"),
        ("started_at", "since", "moment"),
        ("acknowledged_by", "taken on by", "text"),
    ),
    "No alert is open.",
)
AUTH_FAILURES: Final[TableOf] = (
    "auth_failures",
    "Refused keys",
    (
        ("key_hint", "key", "text"),
        ("ip_address", "address", "text"),
        ("services", "services", "text"),
        ("users", "users", "text"),
        ("auth_failures", "failures", "count"),
        ("last_at", "last", "moment"),
    ),
    "No key was refused.",
)
UNFINISHED: Final[TableOf] = (
    "unfinished_calls",
    "Calls that began and never ended",
    (
        ("call", "call", "text"),
        ("begun_at", "begun", "moment"),
        ("service", "service", "text"),
        ("user", "user", "text"),
        ("model", "model", "text"),
    ),
    "Every call that began has ended.",
)
