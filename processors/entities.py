"""Entities: everything that is remembered about one user, key, model, …, and how one second of it is judged."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from tokentrail.processors.baselines import Baseline
from tokentrail.processors.detection import Verdict, judge, measure
from tokentrail.processors.groupings import name_grouping
from tokentrail.processors.lifecycle import AlertTrack, identify_alert
from tokentrail.processors.rules import summarize, version_rule
from tokentrail.processors.windows import Sums, Window
from tokentrail.schemas.alerts import Alert, AlertState, Severity
from tokentrail.schemas.rules import Rule

EVIDENCE: Final = 5
_ACTION: Final = frozenset((Severity.HIGH, Severity.CRITICAL))


class RuleState(msgspec.Struct, array_like=True, kw_only=True):
    """What one rule remembers of one entity."""

    baseline: Baseline = msgspec.field(default_factory=Baseline)
    track: AlertTrack = msgspec.field(default_factory=AlertTrack)


class Entity(msgspec.Struct, array_like=True, kw_only=True):
    """One entity's memory; serialised as it is. Rules that come and go leave the rest of it untouched."""

    last_tick: int = -1
    """The last second applied or judged: a second is never applied twice, whatever is read again."""
    windows: dict[int, Window] = msgspec.field(default_factory=dict)
    rules: dict[str, RuleState] = msgspec.field(default_factory=dict)
    recent: list[str] = msgspec.field(default_factory=list)
    """The largest calls of the last seconds that had calls, newest first."""
    failed: list[str] = msgspec.field(default_factory=list)
    """Failed calls of the last seconds that had any, newest first."""


class Second(msgspec.Struct, frozen=True, gc=False):
    """One entity's second, summed over all source partitions."""

    sums: Sums
    recent: list[str]
    failed: list[str]


class RulePlan(msgspec.Struct, frozen=True):
    """A rule made ready: with its version."""

    rule: Rule
    version: str


def plan_rules(rules: Sequence[Rule]) -> dict[str, list[RulePlan]]:
    """Return, for each grouping, the rules that watch it."""
    plans: dict[str, list[RulePlan]] = {}
    for rule in rules:
        for fields in rule.by:
            plans.setdefault(name_grouping(fields), []).append(RulePlan(rule, version_rule(rule)))
    return plans


class Observer:
    """Judges the entities of one grouping under its rules."""

    def __init__(self, grouping: str, plans: Sequence[RulePlan]) -> None:
        self.grouping = grouping
        self._plans = list(plans)
        self._widths = sorted({plan.rule.window_s for plan in plans})

    def is_active(self, entity: Entity) -> bool:
        """Whether an alert of it is open or pending under these rules, so that it wants every tick."""
        states = (entity.rules.get(plan.rule.name) for plan in self._plans)
        return any(state is not None and state.track.active for state in states)

    def observe(self, entity: Entity, name: str, second: int, seen: Second | None) -> Iterator[Alert]:
        """Apply one second (None: no calls) to an entity and yield the state changes. Seconds come in order."""
        if second <= entity.last_tick:
            return
        entity.last_tick = second
        if seen is not None:
            self._apply(entity, second, seen)
        for plan in self._plans:
            state = entity.rules.get(plan.rule.name)
            window = entity.windows.get(plan.rule.window_s)
            if state is None or window is None:
                continue
            window.slide(second)
            verdict = judge(plan.rule, window.totals, state.baseline.value)
            if state.track.rule_version != plan.version:
                if state.track.firing:
                    # The rule that opened it is no more, so it ends as what it was; the new rule starts afresh.
                    state.track.revision += 1
                    yield self._describe(plan, entity, name, second, verdict, AlertState.RESOLVED)
                state.track.reset()
                state.track.rule_version = plan.version
            change = state.track.step(plan.rule, second, verdict)
            if change is not None:
                yield self._describe(plan, entity, name, second, verdict, change)
                if change is AlertState.RESOLVED:
                    state.track.reset()

    def _apply(self, entity: Entity, second: int, seen: Second) -> None:
        ended: dict[int, Sums | None] = {}
        for width_s in self._widths:
            window = entity.windows.get(width_s)
            if window is None:
                window = entity.windows[width_s] = Window(width_s=width_s)
            ended[width_s] = window.add(second, seen.sums)
        for plan in self._plans:
            state = entity.rules.get(plan.rule.name)
            if state is None:
                state = entity.rules[plan.rule.name] = RuleState(baseline=Baseline(learning_since=second))
            sums = ended[plan.rule.window_s]
            if sums is not None:
                state.baseline.observe(second, measure(plan.rule.metric, list(sums)), firing=state.track.active)
        entity.recent = _newest(seen.recent, entity.recent)
        if seen.failed:
            entity.failed = _newest(seen.failed, entity.failed)

    def _describe(  # noqa: PLR0913, PLR0917 - an alert is told from all of these
        self, plan: RulePlan, entity: Entity, name: str, second: int, verdict: Verdict, change: AlertState
    ) -> Alert:
        rule = plan.rule
        track = entity.rules[rule.name].track
        started = track.firing_since
        about_errors = rule.metric in {"errors", "error_ratio"}
        return Alert(
            alert_id=identify_alert(rule.name, track.rule_version, self.grouping, name, started),
            revision=track.revision,
            state=change,
            rule=rule.name,
            rule_version=track.rule_version,
            severity=rule.severity,
            dimension=self.grouping,
            entity=name,
            metric=rule.metric,
            value=verdict.value,
            baseline=verdict.baseline,
            threshold=verdict.threshold,
            window_s=rule.window_s,
            started_at=datetime.fromtimestamp(started + 1, UTC),
            occurred_at=datetime.fromtimestamp(second + 1, UTC),
            evidence=list(entity.failed if about_errors else entity.recent),
            summary=summarize(rule, self.grouping, name, verdict.value, verdict.baseline),
            recommendation=rule.recommendation,
            action_required=rule.severity in _ACTION and change is not AlertState.RESOLVED,
        )


def _newest(new: list[str], old: list[str]) -> list[str]:
    return (new + [call_id for call_id in old if call_id not in new])[:EVIDENCE]
