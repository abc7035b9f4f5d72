"""What is known of an alert beside its record: its incident, who has taken it on, who silences it. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from tokentrail.processors.alert_controls import ControlBook
from tokentrail.processors.alert_order import LogRecord
from tokentrail.processors.incidents import IncidentBook
from tokentrail.processors.silences import MaintenanceWindow, find_silences
from tokentrail.schemas.alerts import Alert

REMEMBERED_REPEATS: Final = 100_000


class DeliveredAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A state change of an alert, as it is delivered."""

    alert: Alert
    detected_at: datetime
    """When Kafka got it, by Kafka's clock; UTC."""
    delay_ms: int
    """From the event time that caused it to its detection."""
    incident_id: str
    acknowledged_by: str
    """Who had taken the alert on by the time of delivery; empty if nobody."""
    silenced_by: tuple[str, ...]
    """Ids of the silences that fit, and `maintenance:` with the names of windows; empty if it is not silenced."""
    partition: int
    """Of `llm.alerts`."""
    offset: int


class AlertMarks:
    """Follows the ordered log, and says of each state change what belongs to it."""

    def __init__(self, maintenance: Sequence[MaintenanceWindow] = ()) -> None:
        self.maintenance = maintenance
        self.controls = ControlBook()
        self.incidents = IncidentBook()
        self._repeats: dict[tuple[int, int], None] = {}

    def follow(self, record: LogRecord) -> bool:
        """Take in a record, in the order of the log; return whether it tells a state change for the first time."""
        if not isinstance(record.content, Alert):
            self.controls.take(record.content)
            return False
        if self.incidents.take(record.content) is not None:
            return True
        self._repeats[record.partition, record.offset] = None
        if len(self._repeats) > REMEMBERED_REPEATS:
            del self._repeats[next(iter(self._repeats))]
        return False

    def repeats(self, partition: int, offset: int) -> bool:
        """Whether a record that was taken in told nothing new."""
        return (partition, offset) in self._repeats

    def describe(self, alert: Alert, partition: int, offset: int, detected_ms: int) -> DeliveredAlert:
        """Return a state change that was taken in, with what is known of it by now."""
        detected_at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=detected_ms)
        return DeliveredAlert(
            alert=alert,
            detected_at=detected_at,
            delay_ms=(detected_at - alert.occurred_at) // timedelta(milliseconds=1),
            incident_id=self.incidents.incident_of(alert.alert_id),
            acknowledged_by=self.controls.acknowledged_by(alert.alert_id),
            silenced_by=find_silences(alert, detected_at, self.controls.silences.values(), self.maintenance),
            partition=partition,
            offset=offset,
        )
