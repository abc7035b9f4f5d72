"""`tokentrail alerts ack`, `silence`, `silences` and `unsilence`: what people do about alerts."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from tokentrail.cli.moments import parse_duration
from tokentrail.cli.output import JsonFlag, out, print_json, print_table
from tokentrail.cli.user_name import user_name

if TYPE_CHECKING:
    from tokentrail.schemas.alert_controls import Silence

_By = Annotated[str, typer.Option("--by", help="Who does it; without it, the user of this machine.")]
_Globs = list[str] | None


def ack(
    alert_id: Annotated[str, typer.Argument(metavar="ALERT_ID", help="The alert's id, or its beginning.")],
    by: _By = "",
    note: Annotated[str, typer.Option(help="What you know, or will do.")] = "",
) -> None:
    """Acknowledge an alert: say that somebody has taken it on. A second one takes the first one's place."""
    from tokentrail.processors.alert_controls import publish_control
    from tokentrail.processors.alert_log import read_alerts
    from tokentrail.schemas.alert_controls import Acknowledgement, acknowledgement_id
    from tokentrail.settings import current_settings

    settings = current_settings()
    told = {record.alert.alert_id: record.alert for record in asyncio.run(read_alerts(settings, 0))}
    alert = told[_the_one(alert_id, told, "alert")]
    who = by or user_name()
    control = Acknowledgement(
        control_id=acknowledgement_id(alert.alert_id),
        alert_id=alert.alert_id,
        acknowledged_by=who,
        acknowledged_at=datetime.now(UTC),
        note=note,
    )
    asyncio.run(publish_control(settings, control))
    out.print(f"{who} has taken on {alert.alert_id}: {alert.summary}", markup=False, soft_wrap=True)


def silence(  # noqa: PLR0913 - each is an option of its own
    *,
    rule: Annotated[_Globs, typer.Option(help="Rules, by name or glob; may be repeated, as may those below.")] = None,
    severity: Annotated[_Globs, typer.Option(help="Severities.")] = None,
    dimension: Annotated[_Globs, typer.Option(help="Dimensions, such as user_id.")] = None,
    entity: Annotated[_Globs, typer.Option(help="Entities, such as nora.dahl or 'svc-*'.")] = None,
    duration: Annotated[str, typer.Option("--for", help="How long: 90m, 2h, 7d.")],
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    by: _By = "",
) -> None:
    """Deliver no alerts that fit all of what is given, from now on and for a time. Detection goes on."""
    from tokentrail.processors.alert_controls import publish_control
    from tokentrail.schemas.alert_controls import Silence
    from tokentrail.settings import current_settings

    if not (rule or severity or dimension or entity):
        raise typer.BadParameter("That would silence everything; give --rule, --severity, --dimension or --entity.")
    now = datetime.now(UTC)
    control = Silence(
        control_id=uuid4().hex[:12],
        rules=rule or [],
        severities=[name.upper() for name in severity or []],
        dimensions=dimension or [],
        entities=entity or [],
        starts_at=now,
        ends_at=now + parse_duration(duration),
        created_by=by or user_name(),
        reason=reason,
    )
    asyncio.run(publish_control(current_settings(), control))
    out.print(f"Silence {control.control_id} lasts until {control.ends_at:%Y-%m-%d %H:%M:%S} UTC.", soft_wrap=True)


def silences(
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List the silences that hold, and the maintenance windows of the rule file that are open now."""
    import msgspec

    from tokentrail.processors.alert_controls import read_controls
    from tokentrail.settings import current_settings

    settings, now = current_settings(), datetime.now(UTC)
    found = asyncio.run(read_controls(settings)).silences.values()
    listed = [one for one in sorted(found, key=lambda one: one.ends_at) if everything or one.ends_at > now]
    if as_json:
        print_json([msgspec.to_builtins(one) for one in listed])
        return
    rows = [_as_row(one) for one in listed] + _open_windows(now)
    if rows:
        columns = ("id", "until (UTC)", "rules", "severities", "dimensions", "entities", "by", "reason")
        print_table("Silences", columns, rows)
    else:
        out.print("Nothing is silenced.")


def unsilence(
    control_id: Annotated[str, typer.Argument(metavar="ID", help="The silence's id, or its beginning.")],
    by: _By = "",
) -> None:
    """End a silence now."""
    import msgspec

    from tokentrail.processors.alert_controls import publish_control, read_controls
    from tokentrail.settings import current_settings

    settings, now = current_settings(), datetime.now(UTC)
    held = {key: one for key, one in asyncio.run(read_controls(settings)).silences.items() if one.ends_at > now}
    silenced = held[_the_one(control_id, held, "silence that holds")]
    ended = msgspec.structs.replace(silenced, ends_at=now, ended_by=by or user_name())
    asyncio.run(publish_control(settings, ended))
    out.print(f"Silence {ended.control_id} is over.")


def _the_one(beginning: str, known: dict[str, Any], what: str) -> str:
    found = [key for key in known if key.startswith(beginning)]
    if beginning in known:
        return beginning
    if len(found) == 1:
        return found[0]
    if found:
        raise typer.BadParameter(f"{len(found)} ids begin with {beginning!r}: {', '.join(sorted(found)[:5])}.")
    raise typer.BadParameter(f"No {what} has an id that begins with {beginning!r}.")


def _as_row(silence: "Silence") -> tuple[object, ...]:
    globs = (silence.rules, silence.severities, silence.dimensions, silence.entities)
    shown = (", ".join(each) or "*" for each in globs)
    return (silence.control_id, f"{silence.ends_at:%Y-%m-%d %H:%M:%S}", *shown, silence.created_by, silence.reason)


def _open_windows(now: datetime) -> list[tuple[object, ...]]:
    from tokentrail.processors.maintenance_file import MaintenanceFile
    from tokentrail.settings import current_settings

    path = current_settings().rules
    return [
        (f"maintenance:{window.name}", f"{span.end:%Y-%m-%d %H:%M:%S}", ", ".join(window.rules), "*", "*",
         ", ".join(window.entities), "", f"{path}")
        for window in MaintenanceFile(path).windows()
        if (span := window.span_at(now))
    ]  # fmt: skip
