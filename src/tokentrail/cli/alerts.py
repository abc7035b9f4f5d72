"""`tokentrail alerts`: what is wrong, and what was."""

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokentrail.cli.moments import parse_moment
from tokentrail.cli.output import JsonFlag, out, print_json, print_json_line, print_table

if TYPE_CHECKING:
    from tokentrail.processors.alert_log import AlertRecord
    from tokentrail.schemas.alerts import Alert

_FINGERPRINT = re.compile(r"(hmac1:[0-9a-f]+:[0-9a-f]{8})[0-9a-f]{56}")
_COLOURS = {"INFO": "cyan", "WARNING": "yellow", "MEDIUM": "yellow", "HIGH": "red", "CRITICAL": "bold red"}


def alerts(
    since: Annotated[str, typer.Option(help="Told since then: 90m, 24h, 7d, or an ISO time.")] = "24h",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing what comes, until Ctrl-C.")] = False,
    history: Annotated[bool, typer.Option("--history", help="Every state change, not only the latest.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show alerts: the latest state of each, newest first."""
    from tokentrail.processors.alert_log import read_alerts
    from tokentrail.settings import current_settings

    since_ms = int(parse_moment(since).timestamp() * 1000)
    if follow:
        asyncio.run(_follow(since_ms, as_json=as_json))
        return
    records = asyncio.run(read_alerts(current_settings(), since_ms))
    if not history:
        records = list({record.alert.alert_id: record for record in records}.values())
    records.reverse()
    if as_json:
        print_json([_as_document(record) for record in records])
    elif records:
        _print(records)
    else:
        out.print(f"No alerts since {since}.")


async def _follow(since_ms: int, *, as_json: bool) -> None:
    from tokentrail.processors.alert_log import follow_alerts
    from tokentrail.settings import current_settings

    async for record in follow_alerts(current_settings(), since_ms):
        if as_json:
            print_json_line(_as_document(record))
        else:
            print_alert(record.alert)


def print_alert(alert: "Alert") -> None:
    """Print one state change as a line, with what to do where action is required."""
    colour = "green" if alert.state == "resolved" else _COLOURS.get(alert.severity, "")
    out.print(
        f"{alert.occurred_at:%H:%M:%S}  [{colour}]{alert.state:<8}  {alert.severity:<8}[/]  {alert.rule}: ",
        end="",
        soft_wrap=True,
    )
    out.print(_readable(alert.summary), markup=False, soft_wrap=True)
    if alert.action_required and alert.state == "firing":
        out.print(f"          → {alert.recommendation}", markup=False, style="dim", soft_wrap=True)


def _print(records: "list[AlertRecord]") -> None:
    rows = [
        (
            f"{record.alert.occurred_at:%m-%d %H:%M:%S}",
            record.alert.state.value,
            record.alert.severity.value,
            record.alert.rule,
            _readable(record.alert.summary),
        )
        for record in records
    ]
    print_table("Alerts (times in UTC)", ("at", "state", "severity", "rule", "what"), rows)


def _readable(summary: str) -> str:
    """Shorten key fingerprints: people tell keys apart by the first digits; `--json` has them whole."""
    return _FINGERPRINT.sub(r"\1…", summary)


def _as_document(record: "AlertRecord") -> dict[str, Any]:
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(record.alert)
    detected = datetime.fromtimestamp(record.detected_ms / 1000, UTC)
    document["detected_at"] = detected.isoformat().replace("+00:00", "Z")
    document["delay_ms"] = record.detected_ms - int(record.alert.occurred_at.timestamp() * 1000)
    return document
