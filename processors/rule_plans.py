"""Rule plans: rules made ready to judge the entities of one view, second by second."""

import math
from collections.abc import Callable, Container, Sequence
from typing import Final

from tokentrail.processors.detection import follows_week, needs_baseline
from tokentrail.processors.metrics import DERIVED, compile_sums, extras_of, is_amount, measure_of
from tokentrail.processors.rules import version_rule
from tokentrail.processors.views import View, views_of
from tokentrail.processors.windows import WindowPlan
from tokentrail.schemas.rules import (
    Absence,
    Budget,
    BurnRate,
    NewEntity,
    RatioToBaseline,
    Rule,
    Seasonal,
    Threshold,
    ZScore,
)

FORGET_S: Final = 30 * 86_400
"""An entity that has been idle for so long is forgotten, with what was learnt of it."""
COARSE_S: Final = 60
_DERIVED: Final = frozenset(DERIVED)


class RulePlan:
    """One rule on one view."""

    def __init__(self, rule: Rule) -> None:
        condition = rule.condition
        self.rule = rule
        self.name = rule.name
        self.version = version_rule(rule)
        self.learns = needs_baseline(rule)
        sparse = isinstance(condition, Threshold) and not self.learns and not rule.min_calls and is_amount(rule.metric)
        self.window = WindowPlan(
            rule.metric, rule.window_s, learned=self.learns, sparse=sparse and rule.metric != "calls"
        )
        self.value_of: Callable[[Sequence[int]], float] | None = compile_sums(rule.metric, self.window.names)
        self.measure = measure_of(rule.metric)
        self.follows_week = follows_week(rule)
        self.long_window: WindowPlan | None = None
        if isinstance(condition, BurnRate):
            self.long_window = WindowPlan(rule.metric, condition.long_window_s)
        self.absence = condition if isinstance(condition, Absence) else None
        self.budget = condition if isinstance(condition, Budget) else None
        self.new_entity = isinstance(condition, NewEntity)
        self.floor = _floor(rule)
        """No value at or below this can be anomalous."""
        self.factor = condition.factor if isinstance(condition, RatioToBaseline) else -math.inf
        """Nor one at or below this times the centre of its baseline: what is usual is never below that."""
        self.unlearnt_is_quiet = isinstance(condition, RatioToBaseline | ZScore | Seasonal)
        """Nothing can be anomalous before there is a baseline."""
        self.coarse = self.measure.quantile is not None or self.window.bucket_s >= COARSE_S
        """Quiet entities are judged once a bucket: long windows change little in a second, sketches cost much."""

    @property
    def remembers(self) -> bool:
        """Whether it looks at an entity's past beyond its windows."""
        return self.learns or self.new_entity or self.budget is not None or bool(extras_of(self.rule.metric))


class ViewPlan:
    """All rules on one view, and what its entities must keep for them."""

    def __init__(self, view: View, rules: Sequence[Rule]) -> None:
        self.view = view
        self.rules = [RulePlan(rule) for rule in rules]
        self.names = frozenset(rule.name for rule in rules)
        windows: dict[int, WindowPlan] = {}
        for plan in self.rules:
            known = windows.setdefault(plan.window.key, plan.window)
            known.learned = known.learned or plan.window.learned
            known.sparse = known.sparse and plan.window.sparse
            if plan.long_window is not None:
                windows.setdefault(plan.long_window.key, plan.long_window).sparse = False
        self.windows = list(windows.values())
        self.learners: dict[int, list[RulePlan]] = {}
        """Window key → rules that learn from its tumbling windows."""
        for plan in self.rules:
            if plan.learns:
                self.learners.setdefault(plan.window.key, []).append(plan)
        self.new_values = _new_values(rules)
        """Extra whose unknown values are counted → how long an entity only learns them."""
        self.budgets = [plan for plan in self.rules if plan.budget is not None]
        self.absences = [plan for plan in self.rules if plan.absence is not None]
        self.linked = any("links" in extras_of(rule.metric) for rule in rules)
        self.grows = any(plan.window.extra == "growth" for plan in self.rules)
        self.derives = bool(self.linked or self.new_values or self.grows)
        self.timed = self.linked or bool(self.absences)
        """Whether time alone may change something of a quiet entity."""
        longest_s = max(plan.width_s + plan.bucket_s for plan in self.windows)
        self.retention_s = FORGET_S if any(plan.remembers for plan in self.rules) else longest_s
        """How long an entity that makes no calls is kept."""

    def narrow(self, names: Container[str]) -> "ViewPlan":
        """Return the plan of some of these rules alone, which say what they say beside the others."""
        narrowed = ViewPlan(self.view, [plan.rule for plan in self.rules if plan.name in names])
        narrowed.retention_s = self.retention_s
        narrowed.new_values = {extra: self.new_values[extra] for extra in narrowed.new_values}
        # Which calls are evidence, and when an entity is looked at, depends on whether chains are followed beside it.
        narrowed.linked = self.linked
        narrowed.derives, narrowed.timed = narrowed.derives or self.linked, narrowed.timed or self.linked
        return narrowed


def _new_values(rules: Sequence[Rule]) -> dict[str, int]:
    found: dict[str, int] = {}
    for rule in rules:
        if rule.metric in _DERIVED and rule.metric.startswith("new_"):
            (extra,) = extras_of(rule.metric)
            found[extra] = max(found.get(extra, 0), rule.learning_s)
    return dict(sorted(found.items()))


def plan_views(rules: Sequence[Rule]) -> dict[str, ViewPlan]:
    """Return, for each view by name, the plan of the enabled rules that look at it."""
    by_view: dict[View, list[Rule]] = {}
    for rule in rules:
        for view in views_of(rule) if rule.enabled else ():
            by_view.setdefault(view, []).append(rule)
    return {view.name: ViewPlan(view, found) for view, found in by_view.items()}


def _floor(rule: Rule) -> float:
    enough = _below(rule.min_value)
    match rule.condition:
        case Threshold(above=above):
            return max(above, enough)
        case RatioToBaseline(factor=factor) | Seasonal(factor=factor):
            return max(factor * rule.baseline_floor, enough)
        case BurnRate(allowed=allowed, factor=factor):
            return max(allowed * factor, enough)
        case ZScore(direction="above"):
            return enough
        case _:
            return -math.inf


def _below(value: float) -> float:
    """Return the largest number that does not reach a minimum."""
    return -math.inf if value <= 0 else value * (1 - 1e-12)
