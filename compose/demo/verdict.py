"""Holds the alerts against the incidents: found, missed, or raised on nothing. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from tokentrail.compose.demo.incidents import Finding
from tokentrail.processors.views import SEPARATOR
from tokentrail.schemas.alerts import Alert, AlertState


class HeardAlert(msgspec.Struct, frozen=True):
    """An alert record as the demo received it. `recorded_at` is when the broker stored it."""

    alert: Alert
    recorded_at: datetime

    @property
    def finding(self) -> Finding:
        """What it is about."""
        return Finding(self.alert.rule, self.alert.dimension, self.alert.entity)


class ExpectedIncident(msgspec.Struct, frozen=True):
    """An incident, the alert that must tell of it, when its first call was made, and what else it touches."""

    label: str
    finding: Finding
    started_at: datetime
    touches: dict[str, str] = {}
    """Event field → value. Other alerts about one of these tell of the same incident."""

    def is_touched_by(self, one: HeardAlert) -> bool:
        """Whether an alert is about something that the incident touches, and came after it began."""
        values = zip(one.alert.dimension.split("+"), one.alert.entity.split(SEPARATOR), strict=True)
        return one.recorded_at >= self.started_at and any(self.touches.get(field) == value for field, value in values)


class FoundIncident(msgspec.Struct, frozen=True):
    """An incident with its alert. `seconds` from its first call to the alert's record."""

    label: str
    finding: Finding
    alert_id: str
    seconds: float


class Verdict(msgspec.Struct, frozen=True):
    """The outcome of detection."""

    found: list[FoundIncident]
    missed: list[ExpectedIncident]
    false_alerts: list[Alert]
    """About nothing that any incident touches, or before it began."""
    alerts_by_rule: dict[str, int]

    @property
    def clean(self) -> bool:
        """Whether every incident was found, and nothing else fired."""
        return not self.missed and not self.false_alerts


def judge_alerts(expected: Sequence[ExpectedIncident], heard: Sequence[HeardAlert]) -> Verdict:
    """Judge what was heard. An alert told twice counts once; one before its incident began is raised on nothing."""
    fired = _first_firings(heard)
    found: dict[Finding, FoundIncident] = {}
    false_alerts: list[Alert] = []
    by_finding = {incident.finding: incident for incident in expected}
    for one in fired.values():
        incident = by_finding.get(one.finding)
        if incident is None or one.recorded_at < incident.started_at:
            if not any(expected_one.is_touched_by(one) for expected_one in expected):
                false_alerts.append(one.alert)
            continue
        seconds = round((one.recorded_at - incident.started_at).total_seconds(), 3)
        found.setdefault(one.finding, FoundIncident(incident.label, one.finding, one.alert.alert_id, seconds))
    return Verdict(
        found=[found[incident.finding] for incident in expected if incident.finding in found],
        missed=[incident for incident in expected if incident.finding not in found],
        false_alerts=false_alerts,
        alerts_by_rule=dict(sorted(Counter(one.alert.rule for one in fired.values()).items())),
    )


def _first_firings(heard: Sequence[HeardAlert]) -> Mapping[str, HeardAlert]:
    fired: dict[str, HeardAlert] = {}
    for one in heard:
        if one.alert.state is AlertState.FIRING:
            fired.setdefault(one.alert.alert_id, one)
    return fired
