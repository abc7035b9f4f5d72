"""The next second at which time alone may change an alert that is open or pending. Pure.

Between two calls a verdict changes only when something slides out of a window, or an hour of the week begins; a life
changes when something has lasted for long enough. So a quiet entity is looked at then, and not every second.
"""

import math
from collections.abc import Iterator

from tokentrail.processors.entities import Entity
from tokentrail.processors.lifecycle import WORSE_BY, AlertTrack
from tokentrail.processors.rule_plans import RulePlan
from tokentrail.processors.seasons import HOUR_S
from tokentrail.processors.windows import WindowPlan


def next_change(plan: RulePlan | None, entity: Entity, track: AlertTrack) -> int:
    """Return the second, later than the entity's last tick. Without a plan the rule is no more: at once."""
    tick = entity.last_tick
    if plan is None or track.rule_version != plan.version:
        return tick + 1
    return min(second for second in _changes(plan, entity, track) if second > tick)


def _changes(plan: RulePlan, entity: Entity, track: AlertTrack) -> Iterator[int]:
    # What is usual changes with the hour, what is spent in a month with its end, a forecast with time itself.
    yield (entity.last_tick // HOUR_S + 1) * HOUR_S
    if track.pending_since >= 0:
        yield track.pending_since + plan.rule.for_s
    if track.clear_since >= 0:
        yield track.clear_since + plan.rule.keep_firing_for_s
    yield _next_slide(plan.window, entity)
    if plan.long_window is not None:
        yield _next_slide(plan.long_window, entity)
    if plan.new_entity:
        yield entity.known_since + plan.rule.window_s
    if plan.absence is not None and track.told is not None:
        yield entity.last_seen + math.ceil(track.told.value * WORSE_BY)


def _next_slide(plan: WindowPlan, entity: Entity) -> int:
    window = entity.windows.get(plan.key)
    if window is None or not window.buckets:
        return -1
    oldest: int = window.buckets[0][0]
    return ((oldest + plan.width_s) // plan.bucket_s + 1) * plan.bucket_s
