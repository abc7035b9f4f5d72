"""What a rule file (TOML) may say. Loading and checking is `tokentrail.processors.rules`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tokentrail.schemas.alerts import Severity

SumMetric = Literal[
    "calls", "retries", "errors", "rate_limited", "auth_failures", "timeouts", "connection_errors", "server_errors",
    "client_errors", "aborted", "unavailable", "input_tokens", "output_tokens", "tokens", "cache_read_tokens",
    "cost_usd", "first_attempts", "clock_skewed", "lost_calls", "sequence_gaps", "chain_breaks", "new_users",
    "new_ip_addresses", "new_api_keys", "new_models",
]  # fmt: skip
RatioMetric = Literal[
    "error_ratio", "rate_limited_ratio", "auth_failure_ratio", "unavailable_ratio", "retry_ratio", "cache_read_ratio",
]  # fmt: skip
LevelMetric = Literal[
    "tokens_per_call", "largest_call_tokens", "context_growth_tokens", "latency_p50_ms", "latency_p95_ms",
    "latency_p99_ms", "time_to_first_token_p50_ms", "time_to_first_token_p95_ms", "time_to_first_token_p99_ms",
    "distinct_users", "distinct_ip_addresses", "distinct_api_keys", "distinct_sessions", "distinct_models",
]  # fmt: skip
Metric = SumMetric | RatioMetric | LevelMetric
"""Sums grow with the window; ratios lie between 0 and 1; levels are neither."""
Dimension = Literal[
    "service", "environment", "department", "feature", "user_id", "session_id", "request_source", "ip_address",
    "api_key_id", "provider", "server_address", "endpoint", "operation", "request_model", "response_model",
    "request_hash", "producer_id",
]  # fmt: skip
FilterField = Dimension | Literal["status", "error_type", "error_code", "auth_method", "service_tier", "user_agent"]
Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{1,79}$")]
Seconds = Annotated[int, Meta(ge=0, le=31 * 86_400)]


class _Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class Threshold(_Condition, frozen=True, kw_only=True, tag="threshold"):
    """Fires when the window's value is above `above`; `baseline` says what is normal.

    With `baseline`, an entity whose own baseline is higher must exceed `above` by as much.
    """

    above: Annotated[float, Meta(ge=0)]
    baseline: Annotated[float, Meta(ge=0)] | None = None


class RatioToBaseline(_Condition, frozen=True, kw_only=True, tag="ratio_to_baseline"):
    """Fires when the window's value is above `factor` times the entity's own baseline of earlier windows.

    With `z`, it must also be so many robust standard deviations above it. With `seasonal`, what is usual at this hour
    of the week counts too, once that is known: the higher of the two is the baseline.
    """

    factor: Annotated[float, Meta(gt=1, le=1000)]
    z: Annotated[float, Meta(ge=0, le=100)] = 0
    seasonal: bool = True


class ZScore(_Condition, frozen=True, kw_only=True, tag="z_score"):
    """Fires when the value is `z` robust standard deviations away from the baseline, above it or below it."""

    z: Annotated[float, Meta(gt=0, le=100)]
    direction: Literal["above", "below"] = "above"


class Seasonal(_Condition, frozen=True, kw_only=True, tag="seasonal"):
    """Fires when the value is above `factor` times what is usual at this hour of the week; learns for two weeks."""

    factor: Annotated[float, Meta(gt=1, le=1000)]


class Absence(_Condition, frozen=True, kw_only=True, tag="absence"):
    """Fires when an entity whose baseline is `min_calls` a window or more has made no call for `after_s`."""

    after_s: Annotated[int, Meta(ge=5, le=7 * 86_400)]


class BurnRate(_Condition, frozen=True, kw_only=True, tag="burn_rate"):
    """Fires when both the window and the long window use up what is allowed `factor` times too fast.

    `allowed` is what is allowed in `window_s`: a ratio (0.01 for an objective of 99 %), or an amount, of which the long
    window may have proportionally more.
    """

    allowed: Annotated[float, Meta(gt=0)]
    factor: Annotated[float, Meta(gt=0, le=10_000)]
    long_window_s: Annotated[int, Meta(ge=10, le=7 * 86_400, multiple_of=5)]


class NewEntity(_Condition, frozen=True, kw_only=True, tag="new_entity"):
    """Fires at the first calls of an entity never seen before, once detection has run for `learning_s` of the rule."""


class Budget(_Condition, frozen=True, kw_only=True, tag="budget"):
    """Fires when spend since the first of the month (UTC) is above `at` times the entity's limit; metric `cost_usd`.

    With `forecast`, spend to date and the pace of the last `window_s`, kept up to the month's end, count.
    """

    limits_usd: Annotated[dict[str, Annotated[float, Meta(gt=0)]], Meta(min_length=1)]
    """Entity → limit a month; `"*"` for every other. An entity without a limit is not judged."""
    limits_of_months_usd: dict[
        Annotated[str, Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")], dict[str, Annotated[float, Meta(gt=0)]]
    ] = {}
    """Month, YYYY-MM → entity → its limit in that month, in place of the one above."""
    at: Annotated[float, Meta(gt=0, le=100)] = 1.0
    forecast: bool = False


Condition = Threshold | RatioToBaseline | ZScore | Seasonal | Absence | BurnRate | NewEntity | Budget


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. Times are seconds of event time."""

    name: Name
    metric: Metric
    by: Annotated[list[Dimension | list[Dimension]], Meta(min_length=1, max_length=10)]
    """Each element is watched on its own; an element that is a list is one combined entity, as in GROUP BY."""
    where: dict[FilterField, str | list[str]] = {}
    """Only calls whose field has this value, or one of these. A field that is absent has the value "" here."""
    where_not: dict[FilterField, str | list[str]] = {}
    """Without calls whose field has this value, or one of these."""
    window_s: Annotated[int, Meta(ge=5, le=7 * 86_400, multiple_of=5)]
    condition: Condition
    severity: Severity
    min_calls: Annotated[int, Meta(ge=0)] = 0
    """The window must hold at least this many calls."""
    min_value: Annotated[float, Meta(ge=0)] = 0
    """The window's value must reach this, whatever the baseline: quiet entities do not alert on trifles."""
    baseline_floor: Annotated[float, Meta(ge=0)] = 0
    """A baseline below this counts as this."""
    learning_s: Seconds = 900
    """An entity younger than this is learning: what needs a baseline or a past does not fire."""
    for_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    """How long the condition must hold before it fires."""
    keep_firing_for_s: Annotated[int, Meta(ge=0, le=86_400)] = 60
    """How long the condition must be gone before it resolves."""
    group: Annotated[str, Meta(max_length=80)] = ""
    """Alerts of rules of one group on the same thing belong to one incident."""
    summary: str = ""
    recommendation: str = ""
    runbook_url: str = ""
    enabled: bool = True


class Maintenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"begin": "from"}):
    """When alerts of some rules and entities are not to wake anybody: once, or every week. Times are UTC.

    Detection goes on; what is delivered is marked as silenced.
    """

    name: Name
    rules: list[str] = msgspec.field(default_factory=lambda: ["*"])
    """Globs."""
    entities: list[str] = msgspec.field(default_factory=lambda: ["*"])
    """Globs."""
    begin: str
    """A moment (ISO 8601, with its offset), or with `days` a time of day, HH:MM."""
    to: str
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = []
    """Days of the week on which the window begins; it may end on the next."""


class RuleFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule file: `[[rule]]` tables, and `[[maintenance]]` tables."""

    rule: list[Rule]
    maintenance: list[Maintenance] = []
