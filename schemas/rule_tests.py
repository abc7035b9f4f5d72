"""What a file of rule tests (TOML) may say. Running it is `tokentrail.processors.rule_trials`."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Span = Annotated[str, Meta(pattern=r"^(\d+(\.\d+)?(ms|s|m|h|d|w))+$")]
"""A time span since the test's start: `90s`, `2h`, `1d12h`."""
Fields = dict[str, str | int | float | bool]


class CallSeries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"begin": "from"}):
    """Made-up calls, evenly spread."""

    name: str = ""
    """For people, and to leave the series out."""
    begin: Span = "0s"
    to: Span | None = None
    """Without it, there is one call, at `from`."""
    per_minute: Annotated[float, Meta(gt=0, le=60_000)] = 1.0
    daily: list[Span] = []
    """Two times of day, e.g. `["8h", "18h"]`: only between them."""
    fields: Fields = {}
    """Fields of the calls, as in an event, and those of `usage`. `{n}` in a text is the call's number, from 1."""
    grow: dict[str, float] = {}
    """How much a field that is a number grows from call to call."""
    cycle: Annotated[int, Meta(ge=1)] | None = None
    """`{n}` begins at 1 again after so many calls."""
    fate: Literal["completed", "never_ended", "missing", "altered"] = "completed"
    """What becomes of their events: there; begun and not ended; numbered and not there; with a wrong hash before."""
    clock_off: Span | None = None
    """How far the caller's clock is behind."""


class ExpectedAlert(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A state change that must be told. What is not given may be anything."""

    rule: str
    state: Literal["firing", "updated", "resolved"] = "firing"
    dimension: str | None = None
    entity: str | None = None
    """The values of a combined one are joined by ` / `."""
    after: Span = "0s"
    before: Span | None = None
    """It must be told within [after, before], by event time."""


class RuleTest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One test: over these calls, these alerts fire, and no others."""

    name: str
    start: datetime = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
    """A Monday."""
    only: list[str] = []
    """Names of rules; others are left out. Empty: all enabled ones. A disabled rule runs where it is named."""
    calls: Annotated[list[CallSeries], Meta(min_length=1)]
    expect: list[ExpectedAlert] = []
    until: Span | None = None
    """How far time goes on; without it, to half an hour after the last call."""


class RuleTestFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of tests: `[[test]]` tables."""

    rules: str = ""
    """The rule file, as seen from this one; empty: the shipped rules."""
    test: Annotated[list[RuleTest], Meta(min_length=1)]
