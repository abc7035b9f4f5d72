"""The incidents that `llm.alerts` tells of, put together from its oldest record on."""

from datetime import datetime

import msgspec

from tokentrail.processors.alert_controls import ControlBook
from tokentrail.processors.alert_order import open_ordered_log
from tokentrail.processors.incidents import Incident, IncidentBook
from tokentrail.schemas.alerts import Alert
from tokentrail.settings import Settings


class IncidentHistory(msgspec.Struct, frozen=True):
    """Incidents, newest change first, and what people did about their alerts."""

    incidents: list[Incident]
    controls: ControlBook


async def read_incidents(settings: Settings, since: datetime) -> IncidentHistory:
    """Read the incidents that are open, or whose last change, by event time, is not before `since`.

    Their ids are those that the alert feed and the ledger give.

    Raises:
        BrokerError: the broker does not answer or refuses, or a topic is not there.
    """
    book, controls = IncidentBook(), ControlBook()
    found: dict[str, Incident] = {}
    async with open_ordered_log(settings) as log:
        for record in await log.take_history():
            if not isinstance(record.content, Alert):
                controls.take(record.content)
            elif (incident := book.take(record.content)) is not None:
                found[incident.incident_id] = incident
    wanted = [incident for incident in found.values() if incident.open or incident.changed_at >= since]
    return IncidentHistory(sorted(wanted, key=lambda one: (one.changed_at, one.incident_id), reverse=True), controls)
