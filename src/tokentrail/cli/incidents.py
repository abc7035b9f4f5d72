"""`tokentrail alerts --incidents`: alerts that belong together, as one."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tokentrail.cli.alert_text import ID_DIGITS, readable
from tokentrail.cli.moments import none_found
from tokentrail.cli.output import out, print_json, print_table

if TYPE_CHECKING:
    from tokentrail.processors.alert_controls import ControlBook
    from tokentrail.processors.incidents import Incident


def show_incidents(since: datetime, since_text: str, *, as_json: bool) -> None:
    """Print the incidents that are open, or have changed since a moment; newest change first."""
    from tokentrail.processors.incident_log import read_incidents
    from tokentrail.settings import current_settings

    history = asyncio.run(read_incidents(current_settings(), since))
    if as_json:
        print_json([_as_document(incident, history.controls) for incident in history.incidents])
    elif history.incidents:
        print_table(
            "Incidents (times in UTC)",
            ("id", "opened", "changed", "state", "severity", "alerts", "rules", "began with", "acknowledged by"),
            (_as_row(incident, history.controls) for incident in history.incidents),
            right=("alerts",),
        )
    else:
        out.print(none_found("incidents", since_text), markup=False, soft_wrap=True)


def _as_row(incident: "Incident", controls: "ControlBook") -> tuple[object, ...]:
    alerts = list(incident.alerts.values())
    return (
        incident.incident_id[:ID_DIGITS],
        f"{incident.opened_at:%m-%d %H:%M:%S}",
        f"{incident.changed_at:%m-%d %H:%M:%S}",
        _state(incident),
        incident.severity.value,
        len(alerts),
        ", ".join(sorted({alert.rule for alert in alerts})),
        readable(incident.began_with),
        ", ".join(_acknowledged_by(incident, controls)),
    )


def _as_document(incident: "Incident", controls: "ControlBook") -> dict[str, Any]:
    import msgspec

    return {
        "incident_id": incident.incident_id,
        "state": _state(incident),
        "severity": incident.severity.value,
        "began_with": incident.began_with,
        **msgspec.to_builtins({"opened_at": incident.opened_at, "changed_at": incident.changed_at}),
        "acknowledged_by": _acknowledged_by(incident, controls),
        "alerts": [msgspec.to_builtins(alert) for alert in incident.alerts.values()],
    }


def _state(incident: "Incident") -> str:
    return "open" if incident.open else "over"


def _acknowledged_by(incident: "Incident", controls: "ControlBook") -> list[str]:
    return sorted({name for alert_id in incident.alerts if (name := controls.acknowledged_by(alert_id))})
