"""Incidents: alerts that belong together, told as one. A pure fold: the same alerts in the same order, the same ids."""

import hashlib
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from tokentrail.processors.silences import entity_parts
from tokentrail.schemas.alerts import Alert, AlertState, Severity

JOIN_WITHIN: Final = timedelta(minutes=5)
"""An alert joins an incident whose last change is no further away, by event time."""
REMEMBERED_ALERTS: Final = 200_000
"""Alerts of incidents that are over, should a record of theirs come again; some 40 MB."""

_Tie = str | tuple[str, str, str]
"""What two alerts may share: the id of a call; or rule group, dimension and value."""


class Incident(msgspec.Struct, kw_only=True):
    """Alerts that share a call of their evidence, or a group of rules and a value of their entities."""

    incident_id: str
    opened_at: datetime
    """Event time of the first change."""
    changed_at: datetime
    """Event time of the newest change."""
    began_with: str = ""
    """The summary of the first change; later ones tell how it went on."""
    alerts: dict[str, Alert] = {}
    """The newest change of each alert, in the order in which they joined."""
    ties: set[_Tie] = set()
    """What a further alert has to share."""

    @property
    def open(self) -> bool:
        """Whether one of its alerts is not resolved."""
        return any(alert.state is not AlertState.RESOLVED for alert in self.alerts.values())

    @property
    def severity(self) -> Severity:
        """The highest of its alerts."""
        return max((alert.severity for alert in self.alerts.values()), key=list(Severity).index)


class IncidentBook:
    """Takes alerts in one by one, and puts each into an incident for good."""

    def __init__(self) -> None:
        self._open: dict[str, Incident] = {}
        self._tied: dict[_Tie, set[str]] = {}
        """Ids of open incidents by what they hold."""
        self._incident_of: dict[str, str] = {}
        self._revision_of: dict[str, int] = {}
        self._over: deque[str] = deque()
        """Alerts of incidents that are over, oldest first."""

    def take(self, alert: Alert) -> Incident | None:
        """Take in a state change; return its incident, or None if an earlier record has told as much or more."""
        known = self._incident_of.get(alert.alert_id)
        if known is not None and alert.revision <= self._revision_of[alert.alert_id]:
            return None
        incident = self._open.get(known) if known else self._find(alert)
        if incident is None:
            incident = Incident(
                incident_id=known or identify_incident(alert.alert_id),
                opened_at=alert.occurred_at,
                changed_at=alert.occurred_at,
                began_with=alert.summary,
            )
            self._open[incident.incident_id] = incident
        self._add(incident, alert)
        if not incident.open:
            self._close(incident)
        return incident

    def incident_of(self, alert_id: str) -> str:
        """Return the id of the incident that an alert was put into; empty if it was never taken in."""
        return self._incident_of.get(alert_id, "")

    def _find(self, alert: Alert) -> Incident | None:
        """Return the oldest open incident that it is tied to."""
        tied = {incident_id for tie in _ties(alert) for incident_id in self._tied.get(tie, ())}
        near = [
            incident
            for incident in map(self._open.__getitem__, tied)
            if abs(alert.occurred_at - incident.changed_at) <= JOIN_WITHIN
        ]
        return min(near, key=lambda incident: (incident.opened_at, incident.incident_id), default=None)

    def _add(self, incident: Incident, alert: Alert) -> None:
        incident.alerts[alert.alert_id] = alert
        incident.changed_at = max(incident.changed_at, alert.occurred_at)
        for tie in _ties(alert):
            incident.ties.add(tie)
            self._tied.setdefault(tie, set()).add(incident.incident_id)
        self._incident_of[alert.alert_id] = incident.incident_id
        self._revision_of[alert.alert_id] = alert.revision

    def _close(self, incident: Incident) -> None:
        del self._open[incident.incident_id]
        for tie in incident.ties:
            holders = self._tied[tie]
            holders.discard(incident.incident_id)
            if not holders:
                del self._tied[tie]
        self._over.extend(incident.alerts)
        while len(self._over) > REMEMBERED_ALERTS:
            oldest = self._over.popleft()
            self._incident_of.pop(oldest, None)
            self._revision_of.pop(oldest, None)


def group_incidents(alerts: Iterable[Alert]) -> list[Incident]:
    """Group state changes that are given in any order, some perhaps twice; returns all incidents, oldest first.

    They are taken in by event time, alert id and revision, so that the result depends on nothing but them.
    """
    book = IncidentBook()
    found: dict[str, Incident] = {}
    for alert in sorted(alerts, key=lambda alert: (alert.occurred_at, alert.alert_id, alert.revision)):
        incident = book.take(alert)
        if incident is not None:
            found[incident.incident_id] = incident
    return list(found.values())


def identify_incident(first_alert_id: str) -> str:
    """Return an incident's id: 32 hex digits of SHA-256 over the id of its first alert."""
    return hashlib.sha256(f"incident\x1f{first_alert_id}".encode()).hexdigest()[:32]


def _ties(alert: Alert) -> set[_Tie]:
    ties: set[_Tie] = set(alert.evidence)
    if alert.group:
        ties.update((alert.group, dimension, value) for dimension, value in entity_parts(alert))
    return ties
