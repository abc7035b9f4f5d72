"""Detection: is this window, beside this baseline, an anomaly under this rule? Pure arithmetic."""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tokentrail.processors.baselines import Baseline, Usual
from tokentrail.processors.metrics import NANO_USD, is_amount
from tokentrail.processors.views import SEPARATOR
from tokentrail.schemas.rules import (
    Absence,
    Budget,
    BurnRate,
    Condition,
    NewEntity,
    RatioToBaseline,
    Rule,
    Seasonal,
    Threshold,
    ZScore,
)

_NO_COUNTS: Final = frozenset(("tokens", "input_tokens", "output_tokens", "cache_read_tokens", "cost_usd"))
"""Amounts that come in lumps: their square root says nothing of their noise."""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What a rule says of a window: its value, what it was held against, and whether it is beyond that.

    `learning`: nothing can be said yet, so it is not anomalous.
    """

    anomalous: bool
    value: float
    baseline: float | None
    threshold: float
    learning: bool = False


class MonthSpend(msgspec.Struct, array_like=True, kw_only=True):
    """What an entity has spent in one calendar month (UTC), in 10^-9 US dollars."""

    begins: int = 0
    ends: int = 0
    """First second of the month, and of the next."""
    nano_usd: int = 0

    def add(self, second: int, nano_usd: int) -> None:
        """Add what was spent in a second; the first second of a month starts at 0. Seconds come in order."""
        if second >= self.ends:
            self._begin(second)
        self.nano_usd += nano_usd

    def usd_at(self, second: int) -> float:
        """Return what was spent since the first of the month that `second` lies in."""
        return self.nano_usd / NANO_USD if self.begins <= second < self.ends else 0.0

    def _begin(self, second: int) -> None:
        first = datetime.fromtimestamp(second, UTC).replace(day=1, hour=0, minute=0, second=0)
        next_first = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
        self.begins, self.ends = int(first.timestamp()), int(next_first.timestamp())
        self.nano_usd = 0


class _Case(msgspec.Struct, frozen=True, gc=False):
    """One window of one entity, and what is known beside it."""

    rule: Rule
    value: float
    calls: int
    second: int
    baseline: Baseline | None
    known_since: int
    long_value: float | None
    month: MonthSpend | None
    entity: str

    @property
    def enough(self) -> bool:
        """Whether the window is more than a trifle."""
        return self.calls >= self.rule.min_calls and self.value >= self.rule.min_value

    @property
    def learning(self) -> Verdict:
        """What is said while nothing can be said."""
        return Verdict(False, self.value, None, 0.0, learning=True)  # noqa: FBT003 - a record's field

    def above(self, threshold: float, baseline: float | None) -> Verdict:
        """Return the verdict of a rule that fires above a threshold."""
        # Most windows end at the first comparison: this is asked every second of every entity.
        return Verdict(self.value > threshold and self.enough, self.value, baseline, threshold)


def judge(  # noqa: PLR0913, PLR0917 - each condition looks at some of these
    rule: Rule,
    value: float,
    calls: int,
    second: int,
    baseline: Baseline | None,
    known_since: int,
    long_value: float | None = None,
    month: MonthSpend | None = None,
    entity: str = "",
) -> Verdict:
    """Hold the window that ends with `second` against a rule. O(1).

    Args:
        rule: any but one whose condition is `absence`: that is `judge_absence`.
        value: the metric's value in the window, which holds `calls` calls.
        calls: see `value`.
        second: event time, seconds since the epoch.
        baseline: the entity's own, for rules of which `needs_baseline` is true.
        known_since: second of the entity's first call since it was last forgotten, or -1 where detection itself is
            too young to know a new entity.
        long_value: the metric's value in the condition's long window, for `burn_rate`.
        month: for `budget`.
        entity: its name, for `budget`.
    """
    return _JUDGES[type(rule.condition)](
        _Case(rule, value, calls, second, baseline, known_since, long_value, month, entity), rule.condition
    )


def judge_absence(rule: Rule, idle_s: int, usual_calls: float | None) -> Verdict:
    """Hold an entity that has made no call for `idle_s` against a rule whose condition is `absence`.

    `usual_calls`: what may be counted on in a window at this hour, `Baseline.expected`; None while learning.
    """
    condition = rule.condition
    after_s = float(condition.after_s) if isinstance(condition, Absence) else math.inf
    if usual_calls is None:
        return Verdict(False, float(idle_s), None, after_s, learning=True)  # noqa: FBT003 - a record's field
    expected = usual_calls > 0 and usual_calls >= rule.min_calls
    return Verdict(expected and idle_s > after_s, float(idle_s), usual_calls, after_s)


def needs_baseline(rule: Rule) -> bool:
    """Whether a rule's condition looks at an entity's own past windows."""
    condition = rule.condition
    if isinstance(condition, Threshold):
        return condition.baseline is not None
    return isinstance(condition, RatioToBaseline | ZScore | Seasonal | Absence)


def follows_week(rule: Rule) -> bool:
    """Whether a rule's baseline must know the hours of the week."""
    condition = rule.condition
    if isinstance(condition, Threshold):
        return condition.baseline is not None and is_amount(rule.metric)
    return isinstance(condition, Seasonal | Absence) or (isinstance(condition, RatioToBaseline) and condition.seasonal)


def _judge_threshold(case: _Case, condition: Threshold) -> Verdict:
    if condition.baseline is None:
        return case.above(condition.above, None)
    rule, known = case.rule, case.baseline
    # A ratio has no rhythm worth learning: a bad hour last week must not excuse this one.
    usual = known.usual(case.second, rule.learning_s, seasonal=is_amount(rule.metric)) if known else None
    if usual is None:
        return case.above(condition.above, None)
    return case.above(condition.above + max(0.0, usual.centre - condition.baseline), usual.centre)


def _judge_ratio(case: _Case, condition: RatioToBaseline) -> Verdict:
    known = case.baseline
    usual = known.usual(case.second, case.rule.learning_s, seasonal=condition.seasonal) if known else None
    if usual is None:
        return case.learning
    if not condition.z:
        centre = max(usual.centre, case.rule.baseline_floor)
        return case.above(condition.factor * centre, centre)
    centre, spread = _floor(case.rule, usual)
    return case.above(max(condition.factor * centre, centre + condition.z * spread), centre)


def _judge_z_score(case: _Case, condition: ZScore) -> Verdict:
    rule = case.rule
    usual = case.baseline.usual(case.second, rule.learning_s, seasonal=False) if case.baseline else None
    if usual is None:
        return case.learning
    centre, spread = _floor(rule, usual)
    if condition.direction == "above":
        return case.above(centre + condition.z * spread, centre)
    threshold = centre - condition.z * spread
    # The usual level is what must be more than a trifle here: the value is small because something is wrong.
    enough = case.calls >= rule.min_calls and centre >= rule.min_value
    return Verdict(enough and case.value < threshold, case.value, centre, threshold)


def _judge_seasonal(case: _Case, condition: Seasonal) -> Verdict:
    usual = case.baseline.usual_of_hour(case.second, case.rule.learning_s) if case.baseline else None
    if usual is None:
        return case.learning
    centre, _ = _floor(case.rule, usual)
    return case.above(condition.factor * centre, centre)


def _judge_burn_rate(case: _Case, condition: BurnRate) -> Verdict:
    rule = case.rule
    threshold = condition.allowed * condition.factor
    long_value = case.long_value or 0.0
    if is_amount(rule.metric):
        long_value *= rule.window_s / condition.long_window_s
    both = case.value > threshold and long_value > threshold
    return Verdict(both and case.enough, case.value, condition.allowed, threshold)


def _judge_new_entity(case: _Case, _: NewEntity) -> Verdict:
    if case.known_since < 0:
        return case.learning
    new = case.second - case.known_since < case.rule.window_s
    return Verdict(new and case.calls > 0 and case.enough, case.value, None, 0.0)


def _judge_budget(case: _Case, condition: Budget) -> Verdict:
    limit = find_limit(condition, case.entity, case.second)
    spent = case.month.usd_at(case.second) if case.month else 0.0
    if limit is None:
        return Verdict(False, spent, None, 0.0)  # noqa: FBT003 - a record's field
    if condition.forecast and case.month:
        left_s = max(case.month.ends - case.second - 1, 0)
        spent += case.value / case.rule.window_s * left_s
    threshold = condition.at * limit
    enough = case.calls >= case.rule.min_calls and spent >= case.rule.min_value
    return Verdict(enough and spent > threshold, spent, limit, threshold)


def find_limit(condition: Budget, entity: str, second: int) -> float | None:
    """Return what an entity may spend in the month of `second` (US dollars), or None if it has no limit.

    The values of a combined entity are joined by " / " there.
    """
    name, limits = entity.replace(SEPARATOR, " / "), condition.limits_usd
    usual = limits.get(name, limits.get("*"))
    if not condition.limits_of_months_usd:
        return usual
    month = time.strftime("%Y-%m", time.gmtime(second))
    return condition.limits_of_months_usd.get(month, {}).get(name, usual)


def _floor(rule: Rule, usual: Usual) -> Usual:
    """Raise a baseline to the rule's floor, and its spread to what chance alone does to a count of that size."""
    centre = max(usual.centre, rule.baseline_floor)
    spread = usual.spread
    if rule.metric not in _NO_COUNTS and is_amount(rule.metric):
        spread = max(spread, math.sqrt(max(centre, 1.0)))
    return Usual(centre, spread)


_JUDGES: Final[dict[type[Condition], Callable[[_Case, Any], Verdict]]] = {
    Threshold: _judge_threshold,
    RatioToBaseline: _judge_ratio,
    ZScore: _judge_z_score,
    Seasonal: _judge_seasonal,
    BurnRate: _judge_burn_rate,
    NewEntity: _judge_new_entity,
    Budget: _judge_budget,
}
