"""The demo's outcome: for people on the screen, for programs in `summary.json`."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
from rich.markup import escape
from rich.table import Table

from tokentrail.compose.demo.verdict import ExpectedIncident, FoundIncident, Verdict
from tokentrail.errors import SettingsError
from tokentrail.schemas.alerts import Alert

_PACKAGES: Final = ("tokentrail", "aiokafka", "chdb", "clickhouse-connect", "faust-streaming", "genai-prices", "openai")


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What `summary.json` says."""

    ok: bool
    """Calls published = calls in the ledger, every incident found, and nothing else fired."""
    calls_published: int
    ledger_calls: int
    alerts_by_rule: dict[str, int]
    incidents_found: list[FoundIncident]
    incidents_missed: list[ExpectedIncident]
    false_alerts: list[Alert]
    seconds: dict[str, float]
    """By step."""
    seconds_total: float
    versions: dict[str, str]


def summarize_run(
    *, calls_published: int, ledger_calls: int, verdict: Verdict, seconds: dict[str, float], seconds_total: float
) -> Summary:
    """Put the outcome together. Pure, but for the versions of what is installed."""
    return Summary(
        ok=calls_published == ledger_calls and verdict.clean,
        calls_published=calls_published,
        ledger_calls=ledger_calls,
        alerts_by_rule=verdict.alerts_by_rule,
        incidents_found=verdict.found,
        incidents_missed=verdict.missed,
        false_alerts=verdict.false_alerts,
        seconds=seconds,
        seconds_total=round(seconds_total, 3),
        versions={"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    )


def write_summary(summary: Summary, path: Path) -> None:
    """Write `summary.json`.

    Raises:
        SettingsError: it cannot be written there.
    """
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
    except OSError as error:
        raise SettingsError(
            f"The summary cannot be written to {path} ({error.strerror}); choose another place with --summary."
        ) from error


def tabulate_summary(summary: Summary) -> Table:
    """Return it as a table."""
    table = Table(title="Summary", title_justify="left", show_header=False)
    table.add_row("calls published", f"{summary.calls_published:,}")
    table.add_row("calls in the ledger", f"{summary.ledger_calls:,}")
    for found in summary.incidents_found:
        table.add_row("incident found", f"{escape(found.label)}: {found.finding.rule}, after {found.seconds:.1f} s")
    for missed in summary.incidents_missed:
        table.add_row("[red]incident missed[/]", f"{escape(missed.label)}: {missed.finding.rule}")
    for alert in summary.false_alerts:
        table.add_row("[red]alert on nothing[/]", f"{alert.rule}: {escape(alert.summary)}")
    if not summary.false_alerts:
        table.add_row("alerts on nothing", "none")
    steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in summary.seconds.items())
    table.add_row("seconds", f"{summary.seconds_total:.1f} ({steps})")
    return table


def conclude(summary: Summary) -> str:
    """Return one sentence, in Rich markup, that says whether all is well, or what is not."""
    if summary.ok:
        return "[bold green]Every call is in the ledger, every incident was found, and nothing else fired.[/]"
    wrong = []
    if summary.calls_published != summary.ledger_calls:
        wrong.append(f"{summary.calls_published:,} calls were published, {summary.ledger_calls:,} are in the ledger")
    if summary.incidents_missed:
        wrong.append(f"{len(summary.incidents_missed)} incidents were missed")
    if summary.false_alerts:
        wrong.append(f"{len(summary.false_alerts)} alerts fired on nothing")
    return f"[bold red]Not as it should be:[/] {'; '.join(wrong)}."
