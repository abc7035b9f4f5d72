"""Bounds: what a window must hold, at the least, for a rule to fire. Pure.

`RulePlan.floor` is below everything that can be anomalous, whatever baselines say. Calls are added up by slots of a few
seconds; a window that ends within a slot lies within some slots that reach back from there (its outer slots), and
covers all but the first and the last of them (its inner slots). What must be much is looked for in the outer slots, and
what it is divided by in the inner ones.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from tokentrail.processors.known_values import CAPACITY
from tokentrail.processors.metrics import DERIVED, Measure, extras_of
from tokentrail.processors.rule_plans import RulePlan, ViewPlan, plan_views
from tokentrail.processors.windows import GROWTH, LARGEST, WindowPlan
from tokentrail.schemas.rules import Absence, Budget, NewEntity, Rule, ZScore
from tokentrail.schemas.slices import SUMS

SLOT_S: Final = 15
MAX_WIDTH_S: Final = 7200
"""Rules with longer windows are few, and look at few entities."""
_DURATIONS: Final = frozenset(("latency_ms", "time_to_first_token_ms"))
_SKETCH_ERROR: Final = 0.97
"""A sketch may say a little more than the longest duration in it."""
_ROUNDING: Final = 1 - 1e-9
_SKEWED: Final = "clock_skewed"


class Column(msgspec.Struct, frozen=True):
    """A number of each call: some of its sums added up; or how many of a duration it has that are longer than `over`;
    or what `largest` names, of which the largest counts."""  # noqa: D205, D209 # one sentence of three parts

    sums: tuple[str, ...] = ()
    duration: str = ""
    over: float = -1.0
    largest: str = ""


class Bound(msgspec.Struct, frozen=True):
    """What a window needs: so many calls, more than `above` in a column, and more than so many times another column.

    As time goes on without calls, less and less is in a window; but its shares may grow, so that what it needs of
    another column holds only of windows that end in a slot with calls.
    """

    outer_slots: int
    inner_slots: int
    """How many slots before the last one are surely covered."""
    min_calls: float = 0.0
    column: Column | None = None
    above: float = -math.inf
    times: float = 0.0
    per: Column | None = None
    exact_calls: float = math.inf
    """The column says nothing of entities that have more calls than this in all."""


class ViewSieve(msgspec.Struct, frozen=True):
    """The bounds of a view's rules."""

    plan: ViewPlan
    bounds: dict[str, Bound]
    unbounded: tuple[str, ...]
    """Rules that may fire for any entity."""
    absences: dict[str, int]
    """Rules on silence, and how long it must last (s)."""
    chained: tuple[str, ...]
    """Rules on producers' chains."""
    skewed: dict[str, float]
    """Rules on clocks that are off, and how many calls of theirs an entity must have more than."""
    columns: list[Column]
    """What is to be known of the view's entities beside their number of calls, each once."""

    @property
    def is_tallied(self) -> bool:
        """Whether its calls are to be added up."""
        return bool(self.bounds or self.absences)


def plan_sieve(rules: Sequence[Rule]) -> list[ViewSieve]:
    """Return the sieve of each view that rules look at."""
    return [_sieve_view(plan) for plan in plan_views(rules).values()]


def bound_rule(plan: RulePlan) -> Bound | None:
    """Return what a window must hold for a rule to fire; None if nothing can be said."""
    condition, window = plan.rule.condition, plan.window
    if plan.rule.metric == _SKEWED:
        return None  # it counts what is no call
    below = isinstance(condition, ZScore) and condition.direction != "above"
    if below or isinstance(condition, Absence | Budget | NewEntity) or window.width_s > MAX_WIDTH_S:
        return None
    if plan.floor == -math.inf:
        return _bound(window, plan.rule.min_calls)
    if plan.measure.extra is not None:
        return _bound_extra(plan, plan.measure)
    return _bound_sums(plan, plan.measure)


def _sieve_view(plan: ViewPlan) -> ViewSieve:
    bounds = {rule.name: bound for rule in plan.rules if (bound := bound_rule(rule)) is not None}
    asked = [column for bound in bounds.values() for column in (bound.column, bound.per)]
    asked += [Column(sums=(name,)) for rule in plan.rules if can_learn(rule) for name in rule.window.names]
    columns = list(dict.fromkeys(column for column in asked if column not in {None, Column(sums=("calls",))}))
    absences = {rule.name: rule.absence.after_s for rule in plan.rules if rule.absence is not None}
    by_producer = plan.view.dimension == "producer_id"
    chained = {rule.name for rule in plan.rules if by_producer and _is_linked(rule)}
    skewed = {rule.name: rule.floor for rule in plan.rules if rule.rule.metric == _SKEWED and not _is_free(rule)}
    known = {*bounds, *absences, *chained, *skewed}
    unbounded = tuple(rule.name for rule in plan.rules if rule.name not in known)
    named = [column for column in columns if column is not None]
    return ViewSieve(plan, bounds, unbounded, absences, tuple(sorted(chained)), skewed, named)


def _is_linked(plan: RulePlan) -> bool:
    return "links" in extras_of(plan.rule.metric) and not _is_free(plan)


def _is_free(plan: RulePlan) -> bool:
    """Whether a rule may fire where its metric is 0."""
    return plan.floor < 0 or plan.absence is not None


def can_learn(plan: RulePlan) -> bool:
    """Whether what a rule learns follows from sums of slots."""
    return (
        plan.learns
        and plan.measure.extra is None
        and plan.rule.metric != _SKEWED
        and plan.window.width_s % SLOT_S == 0
        and plan.window.width_s <= MAX_WIDTH_S
        and set(plan.window.names) <= set(SUMS)
    )


def _bound_sums(plan: RulePlan, measure: Measure) -> Bound | None:
    floor, least = plan.floor * (_ROUNDING if plan.floor > 0 else 1), plan.rule.min_calls
    if measure.sums[0] in DERIVED:
        return _bound_new(plan.window, least, floor) if measure.sums[0].startswith("new_") else None
    column = Column(sums=measure.sums)
    if measure.per is None:
        return _bound(plan.window, least, column, above=floor * measure.scale)
    if floor < 0:
        return _bound(plan.window, least)
    above = floor * max(least, 1) if measure.per == "calls" else 0.0
    return _bound(plan.window, least, column, above=above, times=floor, per=Column(sums=(measure.per,)))


def _bound_new(window: WindowPlan, min_calls: float, floor: float) -> Bound:
    """There are not more new values than calls, but where so many are known that one stands for several."""
    return msgspec.structs.replace(
        _bound(window, min_calls, Column(sums=("calls",)), above=floor), exact_calls=float(CAPACITY)
    )


def _bound_extra(plan: RulePlan, measure: Measure) -> Bound:
    least, floor = plan.rule.min_calls, plan.floor
    if measure.quantile is not None and measure.extra in _DURATIONS:
        if floor <= 0:
            return _bound(plan.window, least)
        longer = Column(duration=measure.extra or "", over=floor * _SKETCH_ERROR)
        share = (1 - measure.quantile) * _ROUNDING
        return _bound(plan.window, least, longer, above=0.0, times=share, per=Column(duration=measure.extra or ""))
    if measure.extra in {LARGEST, GROWTH}:
        return _bound(plan.window, least, Column(largest=measure.extra), above=floor)
    return _bound(plan.window, max(least, floor))  # there are not more distinct values than calls


def _bound(  # noqa: PLR0913, PLR0917 - the fields of a bound
    window: WindowPlan,
    min_calls: float,
    column: Column | None = None,
    above: float = -math.inf,
    times: float = 0.0,
    per: Column | None = None,
) -> Bound:
    outer = -(-(window.width_s + window.bucket_s) // SLOT_S) + 1
    inner = max(window.width_s // SLOT_S - 1, 0)
    return Bound(outer, inner, min_calls, column, above, times, per)
