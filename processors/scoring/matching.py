"""Matching: which alert tells of which incident, and which tells of none. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from tokentrail.processors.simulation.labels import Incident
from tokentrail.processors.views import SEPARATOR
from tokentrail.schemas.alerts import Alert, AlertState

AFTERMATH_S: Final = 1200
"""An alert that begins so long after an incident's last effect, or its own window if that is longer, may tell of it: a
call is known to be lost a quarter of an hour after it began."""

LONG_WINDOW_S: Final = 3600
"""A longer window finds an incident only if that lasts as long."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one incident."""

    kind: str
    harmless: bool
    start: datetime
    note: str
    found: bool
    """Whether any alert told of it; for a harmless one that is what should not be."""
    rule: str | None = None
    """The rule that told of it first."""
    time_to_detect_s: float | None = None
    windows_to_detect: float | None = None
    """The same in windows of that rule."""
    rules: list[str] = []
    """Every rule that told of it."""
    alerts: int = 0
    """How many alerts did."""


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that tells of no incident."""

    rule: str
    dimension: str
    entity: str
    at: datetime
    value: float
    baseline: float | None
    threshold: float
    because_of: str | None
    """The kind of the look-alike that it fell for, if it was one."""


class Matches(msgspec.Struct, frozen=True, kw_only=True):
    """All incidents with what became of them, and all alerts: told of something (`true_alerts`), or not (`noise`)."""

    findings: list[Finding]
    true_alerts: int
    noise: list[Noise]


def match_alerts(alerts: Iterable[Alert], incidents: Sequence[Incident]) -> Matches:
    """Hold every alert that fired to the incidents.

    An alert tells of an incident when its entity is one of those that the incident changes, and it fired while the
    incident lasted or in its aftermath. It finds it if its window is no longer than an hour, or than the incident. An
    alert is noise when all it tells of is harmless, or nothing.
    """
    fired = sorted((alert for alert in alerts if alert.state is AlertState.FIRING), key=_moment)
    told_of: dict[int, list[Alert]] = {number: [] for number in range(len(incidents))}
    noise: list[Noise] = []
    true_alerts = 0
    for alert in fired:
        about = [number for number, incident in enumerate(incidents) if tells_of(alert, incident)]
        for number in about:
            if _is_timely(alert, incidents[number]):
                told_of[number].append(alert)
        if any(not incidents[number].harmless for number in about):
            true_alerts += 1
        else:
            noise.append(_describe_noise(alert, incidents[about[0]].kind if about else None))
    findings = [_describe(incident, told_of[number]) for number, incident in enumerate(incidents)]
    return Matches(findings=findings, true_alerts=true_alerts, noise=noise)


def tells_of(alert: Alert, incident: Incident) -> bool:
    """Whether an alert is about something that an incident changes, at a time when it does."""
    aftermath = timedelta(seconds=max(AFTERMATH_S, alert.window_s))
    if not incident.start <= alert.occurred_at <= incident.end + aftermath:
        return False
    pairs = zip(alert.dimension.split("+"), alert.entity.split(SEPARATOR), strict=True)
    return any(value in incident.entities.get(field, ()) for field, value in pairs)


def _is_timely(alert: Alert, incident: Incident) -> bool:
    """Whether the alert's window is short enough to find it: what looks at a whole day finds no ten minutes."""
    return alert.window_s <= max(LONG_WINDOW_S, (incident.end - incident.start).total_seconds())


def _describe(incident: Incident, alerts: list[Alert]) -> Finding:
    first = alerts[0] if alerts else None
    seconds = (first.occurred_at - incident.start).total_seconds() if first else None
    return Finding(
        kind=incident.kind,
        harmless=incident.harmless,
        start=incident.start,
        note=incident.note,
        found=bool(alerts),
        rule=first.rule if first else None,
        time_to_detect_s=seconds,
        windows_to_detect=seconds / first.window_s if first and seconds is not None else None,
        rules=sorted({alert.rule for alert in alerts}),
        alerts=len(alerts),
    )


def _describe_noise(alert: Alert, because_of: str | None) -> Noise:
    return Noise(
        rule=alert.rule,
        dimension=alert.dimension,
        entity=alert.entity,
        at=alert.occurred_at,
        value=alert.value,
        baseline=alert.baseline,
        threshold=alert.threshold,
        because_of=because_of,
    )


def _moment(alert: Alert) -> tuple[datetime, str]:
    return alert.occurred_at, alert.alert_id
