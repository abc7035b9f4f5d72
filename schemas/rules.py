"""What a rule file (TOML) may say. Loading and checking is `tokentrail.processors.rules`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tokentrail.schemas.alerts import Severity

Metric = Literal["calls", "errors", "tokens", "input_tokens", "output_tokens", "error_ratio"]
Dimension = Literal[
    "service", "environment", "department", "feature", "user_id", "session_id", "request_source", "ip_address",
    "api_key_id", "provider", "endpoint", "operation", "request_model",
]  # fmt: skip


class RatioToBaseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="ratio_to_baseline"):
    """Fires when the window's value is above `factor` times the entity's own baseline of earlier windows."""

    factor: Annotated[float, Meta(gt=1, le=1000)]


class Threshold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="threshold"):
    """Fires when the window's value is above `above`; `baseline` says what is normal.

    For a ratio metric `baseline` is what is normal: an entity whose own baseline is higher must exceed `above` by as
    much.
    """

    above: Annotated[float, Meta(ge=0)]
    baseline: Annotated[float, Meta(ge=0)] | None = None


Condition = RatioToBaseline | Threshold


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. Times are seconds of event time."""

    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{1,79}$")]
    metric: Metric
    by: Annotated[list[Dimension | list[Dimension]], Meta(min_length=1, max_length=10)]
    """Each element is watched on its own; an element that is a list is one combined entity, as in GROUP BY."""
    window_s: Annotated[int, Meta(ge=5, le=86_400, multiple_of=5)]
    condition: Condition
    severity: Severity
    min_calls: Annotated[int, Meta(ge=1)] = 1
    """The window must hold at least this many calls."""
    min_value: Annotated[float, Meta(ge=0)] = 0
    """The window's value must reach this, whatever the baseline: quiet entities do not alert on trifles."""
    for_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    """How long the condition must hold before it fires."""
    keep_firing_for_s: Annotated[int, Meta(ge=0, le=86_400)] = 60
    """How long the condition must be gone before it resolves."""
    summary: str = ""
    recommendation: str = ""
    enabled: bool = True


class RuleFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule file: `[[rule]]` tables."""

    rule: list[Rule]
