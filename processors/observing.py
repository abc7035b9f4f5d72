"""Observing: one second of one entity is taken in, and judged under the rules of its view. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tokentrail.processors.baselines import Baseline
from tokentrail.processors.context_growth import GrowthState
from tokentrail.processors.detection import MonthSpend
from tokentrail.processors.entities import Entity, Second
from tokentrail.processors.judgement import hold_against, is_quiet_alone, may_fire, measure
from tokentrail.processors.known_values import KnownValues
from tokentrail.processors.lifecycle import AlertTrack
from tokentrail.processors.metrics import DERIVED
from tokentrail.processors.next_change import next_change
from tokentrail.processors.producer_links import ProducerState
from tokentrail.processors.rule_plans import RulePlan, ViewPlan
from tokentrail.processors.seasons import HOUR_S, WEEK_S
from tokentrail.processors.telling import describe, resolve
from tokentrail.processors.windows import LARGEST, Ended, Window, open_window
from tokentrail.schemas.alerts import Alert, AlertState
from tokentrail.schemas.slices import SUMS

EVIDENCE: Final = 5
"""Calls named as evidence, at most."""
_NOTHING: Final = (0,) * len(SUMS)
_COST_AT: Final = SUMS.index("cost_nano_usd")


class Observer:
    """Judges the entities of one view under its rules."""

    def __init__(self, plan: ViewPlan) -> None:
        self.plan = plan
        self._plans = {rule.name: rule for rule in plan.rules}

    def can_wait(self, seen: Second) -> bool:
        """Whether a second that is an entity's first says nothing before there is another one."""
        plan = self.plan
        if plan.derives or plan.timed:
            return False
        sums = seen.row.sums
        return all(is_quiet_alone(rule, sums, seen.row.largest_call_tokens) for rule in plan.rules)

    def due(self, entity: Entity) -> int | None:
        """Return the next second at which time alone may change something; None if there is none."""
        due = entity.producer.due() if entity.producer is not None else None
        for name, track in entity.tracks.items():
            change = next_change(self._plans.get(name), entity, track)
            due = change if due is None else min(due, change)
        for plan in self.plan.absences:
            if plan.absence is not None and plan.name not in entity.tracks:
                missed = _missed(plan, plan.absence.after_s, entity)
                if missed is not None and (due is None or missed < due):
                    due = missed
        return due

    def observe(self, entity: Entity, name: str, second: int, seen: Second | None, begun: int = 0) -> Sequence[Alert]:
        """Apply one second (None: nothing came) to an entity; returns the state changes. Seconds come in order.

        `begun` is the first second that detection saw at all.
        """
        if second <= entity.last_tick:
            return ()
        last_seen, entity.last_tick = entity.last_seen, second
        newest: dict[str | None, Any] = {}
        if seen is not None or entity.producer is not None:
            newest = self._apply(entity, second, seen)
        told: list[Alert] = []
        tracks, windows = entity.tracks, entity.windows
        for plan in self.plan.rules:
            window = windows.get(plan.window.key)
            if plan.name not in tracks:
                if window is None:
                    continue
                if plan.absence is not None:
                    if seen is not None:
                        continue
                elif not may_fire(plan, entity, window, second, last_seen, newest.get(plan.window.extra)):
                    continue
            told.extend(self._judge(plan, entity, name, second, window, begun))
        if tracks and not self.plan.names.issuperset(tracks):
            told.extend(end_orphans(entity, second, self.plan.names))
        return told

    def _judge(  # noqa: PLR0913, PLR0917 - what one judgement is about
        self, plan: RulePlan, entity: Entity, name: str, second: int, window: Window | None, begun: int
    ) -> Iterator[Alert]:
        if window is None:  # an earlier version of the rule opened it, which looked at another window
            yield from end_orphans(entity, second, frozenset(entity.tracks) - {plan.name})
            return
        window.slide(plan.window, second)
        track = entity.tracks.get(plan.name) or AlertTrack(rule_version=plan.version)
        if track.rule_version != plan.version:
            if track.told is not None:
                # The rule that opened it is no more, so it ends as what it was; the new rule starts afresh.
                yield resolve(track.told, second)
            track = AlertTrack(rule_version=plan.version)
            entity.tracks.pop(plan.name, None)
        verdict = hold_against(plan, entity, name, second, window, begun)
        change = track.step(plan.rule, second, verdict)
        if change is not None:
            track.told = describe(plan, self.plan, entity, name, second, verdict, change, track)
            yield track.told
            if change is AlertState.RESOLVED:
                track.reset()
                if plan.learns:
                    entity.fired_through[plan.name] = second
        if track.active:
            entity.tracks[plan.name] = track
        else:
            entity.tracks.pop(plan.name, None)

    def _apply(self, entity: Entity, second: int, seen: Second | None) -> dict[str | None, Any]:
        """Take in a second; returns its extras, as windows take them."""
        extras: dict[str | None, Any] = {}
        sums = _NOTHING
        if seen is not None:
            _remember(entity, second, seen)
            sums = seen.row.sums
            extras = {LARGEST: seen.row.largest_call_tokens}
            extras.update(seen.extras or {})
        if self.plan.derives:
            derived = self._derive(entity, second, extras)
            if seen is None and not any(derived):
                return extras
            sums = (*sums, *derived)
        windows = entity.windows
        for plan in self.plan.windows:
            picked = plan.pick(sums)
            if plan.sparse and not picked[0]:
                continue
            window = windows.get(plan.key)
            if window is None:
                window = windows[plan.key] = open_window(plan)
            ended = window.add(plan, second, picked, extras.get(plan.extra))
            if ended is not None and ended.sums[plan.calls_at]:
                self._learn(entity, self.plan.learners[plan.key], ended)
        for budget in self.plan.budgets:
            _spend(entity, budget.name, second, sums[_COST_AT])
        return extras

    def _derive(self, entity: Entity, second: int, extras: dict[str | None, Any]) -> tuple[int, ...]:
        """Return the sums that come from what the entity remembers, in the order of `DERIVED`."""
        plan = self.plan
        found = dict.fromkeys(DERIVED, 0)
        if plan.linked and ("links" in extras or entity.producer is not None):
            if entity.producer is None:
                entity.producer = ProducerState()
            findings = entity.producer.apply(second, extras.get("links", []))
            found["lost_calls"] = findings.lost_calls
            found["sequence_gaps"] = findings.sequence_gaps
            found["chain_breaks"] = findings.chain_breaks
            if findings.lost_call_ids:
                entity.failed = _newest(second, findings.lost_call_ids, entity.failed)
        for extra, learning_s in plan.new_values.items():
            if extra in extras:
                known = entity.known.get(extra)
                if known is None:
                    known = entity.known[extra] = KnownValues()
                learning = second - entity.known_since < learning_s
                found[f"new_{extra}"] = known.apply(second, extras[extra], learning)
        if plan.grows and "growth" in extras:
            if entity.growth is None:
                entity.growth = GrowthState()
            extras["growth"] = entity.growth.apply(extras["growth"])
        return tuple(found.values())

    def _learn(self, entity: Entity, plans: Sequence[RulePlan], ended: Ended) -> None:
        for plan in plans:
            baseline = entity.baselines.get(plan.name)
            if baseline is None:
                baseline = entity.baselines[plan.name] = Baseline()
            value = measure(plan, ended.sums, ended.extra)
            firing = plan.name in entity.tracks
            if not firing and plan.name in entity.fired_through:
                # It ended in quiet: the window that it was in is known to be over only now.
                firing = entity.fired_through[plan.name] > ended.last_second - plan.rule.window_s
                if not firing:
                    del entity.fired_through[plan.name]
            baseline.observe(ended.last_second, value, plan.rule.window_s, firing=firing, seasonal=plan.follows_week)


def _spend(entity: Entity, rule: str, second: int, nano_usd: int) -> None:
    month = entity.months.get(rule)
    if month is None:
        month = entity.months[rule] = MonthSpend()
    month.add(second, nano_usd)


def _remember(entity: Entity, second: int, seen: Second) -> None:
    if entity.known_since < 0:
        entity.known_since = second
    entity.last_seen = second
    if seen.recent:
        entity.recent = _newest(second, seen.recent, entity.recent)
    if seen.failed:
        entity.failed = _newest(second, seen.failed, entity.failed)


def end_orphans(entity: Entity, second: int, names: frozenset[str]) -> Iterator[Alert]:
    """End what rules have left behind that are no more."""
    for name in sorted(set(entity.tracks) - names):
        told = entity.tracks.pop(name).told
        if told is not None:
            yield resolve(told, second)


def _newest(second: int, new: Sequence[str], old: list[tuple[int, str]]) -> list[tuple[int, str]]:
    if len(new) == 1:
        return [(second, new[0]), *old[: EVIDENCE - 1]]
    return [*((second, call_id) for call_id in new), *old][:EVIDENCE]


def _missed(plan: RulePlan, after_s: int, entity: Entity) -> int | None:
    """Return when a quiet entity may next be missed: after a while, and from then on at each hour of the next week.

    What is expected changes with the hour: who falls silent at night is missed in the morning.
    """
    at, width_s = entity.last_seen + after_s + 1, plan.rule.window_s
    if at <= entity.last_tick:
        at = ((entity.last_tick - width_s) // HOUR_S + 1) * HOUR_S + width_s
    return at if at <= entity.last_seen + after_s + WEEK_S else None
