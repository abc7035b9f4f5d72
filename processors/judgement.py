"""Judgement: what a rule says of one entity now. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from tokentrail.processors.detection import Verdict, judge, judge_absence
from tokentrail.processors.entities import Entity
from tokentrail.processors.extras import read_extra
from tokentrail.processors.rule_plans import RulePlan
from tokentrail.processors.windows import LARGEST, Window

_PLAIN: Final = frozenset((LARGEST, "growth"))
"""Extras that are a number already."""


def may_fire(plan: RulePlan, window: Window, second: int, last_seen: int, *, quiet: bool) -> bool:
    """Whether a quiet rule is worth a judgement: most seconds of most entities are not."""
    if plan.absence is not None:
        return quiet
    if window.totals[plan.window.calls_at] < plan.rule.min_calls:
        return False
    if plan.value_of is not None:
        return plan.floor < 0 or plan.value_of(window.totals) > plan.floor
    # Quantiles are looked at once a bucket: adding up sketches costs more than all else together.
    return plan.measure.quantile is None or second // plan.window.bucket_s != last_seen // plan.window.bucket_s


def hold_against(  # noqa: PLR0913, PLR0917 - what one judgement is about
    plan: RulePlan, entity: Entity, name: str, second: int, window: Window, begun: int
) -> Verdict:
    """Hold an entity's window, slid to this second, against a rule."""
    rule = plan.rule
    baseline = entity.baselines.get(plan.name)
    if plan.absence is not None:
        expected = baseline.expected(second, rule.learning_s) if baseline is not None else None
        return judge_absence(rule, second - entity.last_seen, expected)
    extra = window.merged_extra(plan.window) if plan.window.extra else None
    value = measure(plan, window.totals, extra)
    long_value = None
    if plan.long_window is not None:
        long = entity.windows[plan.long_window.key]
        long.slide(plan.long_window, second)
        long_value = measure(plan, long.totals, long.merged_extra(plan.long_window) if plan.long_window.extra else None)
    known_since = entity.known_since
    if plan.new_entity and known_since - begun < rule.learning_s:
        known_since = -1
    calls = window.totals[plan.window.calls_at]
    month = entity.months.get(plan.name)
    return judge(rule, value, calls, second, baseline, known_since, long_value, month, name)


def measure(plan: RulePlan, sums: Sequence[int], extra: Any) -> float:
    """Return a rule's metric of a window's sums and merged extra."""
    if plan.value_of is not None:
        return plan.value_of(sums)
    if plan.window.extra in _PLAIN:
        return float(extra or 0)
    return read_extra(plan.measure, extra)
