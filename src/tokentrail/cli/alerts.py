"""`tokentrail alerts`: what is wrong, and what was."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.alert_controls import ack, silence, silences, unsilence
from tokentrail.cli.alert_text import ID_DIGITS, as_document, note_of, readable
from tokentrail.cli.incidents import show_incidents
from tokentrail.cli.moments import none_found, parse_moment
from tokentrail.cli.output import JsonFlag, out, print_json, print_json_line, print_table

if TYPE_CHECKING:
    from tokentrail.processors.alert_marks import DeliveredAlert
    from tokentrail.schemas.alerts import Alert

_COLOURS = {"INFO": "cyan", "WARNING": "yellow", "MEDIUM": "yellow", "HIGH": "red", "CRITICAL": "bold red"}

app = typer.Typer(invoke_without_command=True, add_completion=False)
for command in (ack, silence, silences, unsilence):
    app.command()(command)


@app.callback()
def alerts(  # noqa: PLR0913 - each is an option of its own
    context: typer.Context,
    *,
    since: Annotated[str, typer.Option(help="Told since then: 90m, 24h, 7d, or an ISO time.")] = "24h",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing what comes, until Ctrl-C.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Every state change, not only the latest.")] = False,
    incidents: Annotated[bool, typer.Option("--incidents", help="Alerts that belong together as one.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show alerts: the latest state of each, newest first. The commands below acknowledge and silence them."""
    if context.invoked_subcommand:
        return
    moment = parse_moment(since)
    if follow:
        asyncio.run(_follow(moment, as_json=as_json))
    elif incidents:
        show_incidents(moment, since, as_json=as_json)
    else:
        _show_alerts(moment, since, history=history, as_json=as_json)


def print_alert(alert: "Alert", note: str = "") -> None:
    """Print one state change as a line, with what to do where action is required."""
    colour = "green" if alert.state == "resolved" else _COLOURS.get(alert.severity, "")
    out.print(
        f"{alert.occurred_at:%H:%M:%S}  [{colour}]{alert.state:<8}  {alert.severity:<8}[/]  {alert.rule}: ",
        end="",
        soft_wrap=True,
    )
    out.print(readable(alert.summary) + (f" ({note})" if note else ""), markup=False, soft_wrap=True)
    if alert.action_required and alert.state == "firing":
        out.print(f"          → {alert.recommendation}", markup=False, style="dim", soft_wrap=True)


async def _follow(since: datetime, *, as_json: bool) -> None:
    from tokentrail.processors.alert_feed import alerts as follow_alerts

    async for delivered in follow_alerts(since=since, include_silenced=True):
        if as_json:
            print_json_line({**as_document(delivered), "incident_id": delivered.incident_id})
        else:
            print_alert(delivered.alert, note_of(delivered))


def _show_alerts(moment: datetime, since: str, *, history: bool, as_json: bool) -> None:
    found = asyncio.run(_read(moment))[::-1]
    if not history:
        newest: dict[str, DeliveredAlert] = {}
        for delivered in found:
            newest.setdefault(delivered.alert.alert_id, delivered)
        found = list(newest.values())
    if as_json:
        print_json([as_document(delivered) for delivered in found])
    elif found:
        rows = (
            (
                delivered.alert.alert_id[:ID_DIGITS],
                f"{delivered.alert.occurred_at:%m-%d %H:%M:%S}",
                delivered.alert.state.value,
                delivered.alert.severity.value,
                delivered.alert.rule,
                readable(delivered.alert.summary),
                note_of(delivered),
            )
            for delivered in found
        )
        print_table("Alerts (times in UTC)", ("id", "at", "state", "severity", "rule", "what", "note"), rows)
    else:
        out.print(none_found("alerts", since), markup=False, soft_wrap=True)


async def _read(since: datetime) -> "list[DeliveredAlert]":
    from tokentrail.processors.alert_controls import read_controls
    from tokentrail.processors.alert_log import read_alerts
    from tokentrail.processors.alert_marks import AlertMarks
    from tokentrail.processors.maintenance_file import MaintenanceFile
    from tokentrail.settings import current_settings

    settings = current_settings()
    records, controls = await asyncio.gather(
        read_alerts(settings, int(since.timestamp() * 1000)), read_controls(settings)
    )
    marks = AlertMarks(MaintenanceFile(settings.rules).windows())
    marks.controls = controls
    return [marks.describe(record.alert, record.partition, record.offset, record.detected_ms) for record in records]
