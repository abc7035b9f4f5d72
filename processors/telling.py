"""Telling: what an alert says, made of what is known at that moment. Pure."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from tokentrail.processors.detection import Verdict
from tokentrail.processors.entities import Entity
from tokentrail.processors.lifecycle import AlertTrack, identify_alert
from tokentrail.processors.metrics import ERROR_METRICS
from tokentrail.processors.rule_plans import RulePlan, ViewPlan
from tokentrail.processors.rules import summarize
from tokentrail.schemas.alerts import Alert, AlertState, Severity

_ACTION: Final = frozenset((Severity.HIGH, Severity.CRITICAL))


def describe(  # noqa: PLR0913, PLR0917 - an alert is told from all of these
    plan: RulePlan, of: ViewPlan, entity: Entity, name: str, second: int, verdict: Verdict, change: AlertState,
    track: AlertTrack,
) -> Alert:  # fmt: skip
    """Return the record of a state change at the end of a second."""
    rule, view, started = plan.rule, of.view, track.firing_since
    failed = rule.metric in ERROR_METRICS or of.linked
    oldest = started - rule.window_s - plan.window.bucket_s
    return Alert(
        alert_id=identify_alert(rule.name, plan.version, view.dimension, name, started),
        revision=track.revision + 1,
        state=change,
        rule=rule.name,
        rule_version=plan.version,
        severity=rule.severity,
        dimension=view.dimension,
        entity=name,
        metric=rule.metric,
        value=verdict.value,
        baseline=verdict.baseline,
        threshold=verdict.threshold,
        window_s=rule.window_s,
        started_at=datetime.fromtimestamp(started + 1, UTC),
        occurred_at=datetime.fromtimestamp(second + 1, UTC),
        evidence=[call_id for at, call_id in (entity.failed if failed else entity.recent) if at > oldest],
        summary=summarize(rule, view.dimension, name, verdict.value, verdict.baseline),
        recommendation=rule.recommendation,
        action_required=rule.severity in _ACTION and change is not AlertState.RESOLVED,
        condition=str(rule.condition.__struct_config__.tag),
        where=view.filter_text,
        group=rule.group,
        runbook_url=rule.runbook_url,
    )


def resolve(told: Alert, second: int) -> Alert:
    """Return the record that ends an alert whose rule is no more, as what it was."""
    return msgspec.structs.replace(
        told,
        revision=told.revision + 1,
        state=AlertState.RESOLVED,
        occurred_at=datetime.fromtimestamp(second + 1, UTC),
        action_required=False,
    )
