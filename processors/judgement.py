"""Judgement: what a rule says of one entity now. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from tokentrail.processors.detection import Verdict, judge, judge_absence
from tokentrail.processors.entities import Entity
from tokentrail.processors.extras import read_extra
from tokentrail.processors.rule_plans import FORGET_S, RulePlan
from tokentrail.processors.windows import GROWTH, LARGEST, Window, WindowPlan
from tokentrail.schemas.slices import SUMS

_PLAIN: Final = frozenset((LARGEST, GROWTH))
"""Extras that are a number already."""
_CALLS_AT: Final = SUMS.index("calls")


def may_fire(  # noqa: PLR0913, PLR0917 - called for every rule of every second: no object is made for it
    plan: RulePlan, entity: Entity, window: Window, second: int, last_seen: int, newest: Any
) -> bool:
    """Whether a quiet rule is worth a judgement: most seconds of most entities are not.

    `newest` is what this second adds to the window's extra.
    """
    if plan.coarse and second // plan.window.bucket_s == last_seen // plan.window.bucket_s:
        return False
    calls = window.totals[plan.window.calls_at]
    if calls < plan.rule.min_calls:
        return False
    baseline = entity.baselines.get(plan.name) if plan.unlearnt_is_quiet else None
    if plan.unlearnt_is_quiet and baseline is None:
        return False
    if plan.value_of is not None:
        value = plan.value_of(window.totals)
        return not (value <= plan.floor or (baseline is not None and value <= plan.factor * baseline.centre))
    if plan.window.extra in _PLAIN:
        return plan.rule.min_calls > 1 or (newest or 0) > plan.floor  # what came before has been judged
    return plan.measure.quantile is not None or calls > plan.floor  # there are not more distinct values than calls


def is_quiet_alone(plan: RulePlan, sums: Sequence[int], largest: int) -> bool:
    """Whether a rule is sure to be quiet in a window that holds one second, an entity's first, and nothing else."""
    rule = plan.rule
    if plan.new_entity:
        return False
    if sums[_CALLS_AT] < rule.min_calls or plan.unlearnt_is_quiet:
        return True
    if plan.value_of is not None:
        return plan.value_of(plan.window.pick(sums)) <= plan.floor
    if plan.window.extra == LARGEST:
        return largest <= plan.floor
    return plan.measure.quantile is None and sums[_CALLS_AT] <= plan.floor


def hold_against(  # noqa: PLR0913, PLR0917 - what one judgement is about
    plan: RulePlan, entity: Entity, name: str, second: int, window: Window, begun: int
) -> Verdict:
    """Hold an entity's window, slid to this second, against a rule."""
    rule = plan.rule
    baseline = entity.baselines.get(plan.name)
    if plan.absence is not None:
        idle_s = second - entity.last_seen
        if baseline is None or idle_s > FORGET_S:
            return judge_absence(rule, idle_s, None)  # nobody waits for it yet, or any more
        return judge_absence(rule, idle_s, baseline.expected(second, rule.learning_s))
    extra = window.merged_extra(plan.window) if plan.window.extra else None
    value = measure(plan, window.totals, extra)
    long_value = None
    if plan.long_window is not None:
        long_value = _measure_long(plan, plan.long_window, entity, second)
    known_since = entity.known_since
    if plan.new_entity and known_since - begun < rule.learning_s:
        known_since = -1
    calls = window.totals[plan.window.calls_at]
    month = entity.months.get(plan.name)
    return judge(rule, value, calls, second, baseline, known_since, long_value, month, name)


def _measure_long(plan: RulePlan, of: WindowPlan, entity: Entity, second: int) -> float:
    long = entity.windows.get(of.key)
    if long is None:
        return 0.0  # the rule is new, and no call has come since
    long.slide(of, second)
    return measure(plan, long.totals, long.merged_extra(of) if of.extra else None)


def measure(plan: RulePlan, sums: Sequence[int], extra: Any) -> float:
    """Return a rule's metric of a window's sums and merged extra."""
    if plan.value_of is not None:
        return plan.value_of(sums)
    if plan.window.extra in _PLAIN:
        return float(extra or 0)
    return read_extra(plan.measure, extra)
