"""What the demo says while it runs: one line for each step, each alert as it fires; with and without a terminal."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from tokentrail.compose.demo.verdict import HeardAlert
from tokentrail.schemas.alerts import Alert, AlertState, Severity
from tokentrail.settings import Settings

_STYLES: Final = {
    Severity.CRITICAL: "bold white on red",
    Severity.HIGH: "bold red",
    Severity.MEDIUM: "bold yellow",
}
_PLAIN_EVERY_S: Final = 5.0
"""Without a terminal nothing can be overwritten: progress is told this often."""


class Step:
    """A step that is going on; `tell` may be called as often as one likes."""

    def __init__(self, console: Console, title: str, status: Status | None) -> None:
        self._console = console
        self._title = title
        self._status = status
        self._told_at_s = time.monotonic()
        self.over = False
        """Whether it has ended; what is told later is let pass."""
        self.result = ""
        """What the finished step's line says behind its title."""

    def tell(self, progress: str) -> None:
        """Show how far it is."""
        if self.over:
            return
        if self._status is not None:
            self._status.update(f"{self._title}: {escape(progress)}")
        elif time.monotonic() - self._told_at_s >= _PLAIN_EVERY_S:
            self._told_at_s = time.monotonic()
            self._console.print(f"  … {escape(progress)}", soft_wrap=True)


class Narrator:
    """Tells the demo's story on a console and keeps how long each step took.

    `names` gives entities that nobody can read, such as fingerprints of keys, a name on the screen.
    """

    def __init__(self, console: Console, names: Mapping[str, str] | None = None) -> None:
        self.console = console
        self._names = names or {}
        self.seconds: dict[str, float] = {}
        """Step name → seconds, in the order in which the steps ended."""
        self._began_s = time.monotonic()

    def elapsed_s(self) -> float:
        """Return seconds since this narrator was made."""
        return time.monotonic() - self._began_s

    def say(self, text: str) -> None:
        """Print a line; Rich markup is heeded."""
        self.console.print(text, soft_wrap=True)

    def show(self, table: Table) -> None:
        """Print a table."""
        self.console.print(table)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Step]:
        """Announce a step, and close it with its time; a step that fails is left without a tick."""
        started_s = time.monotonic()
        status = self.console.status(title) if self.console.is_terminal else None
        step = Step(self.console, title, status)
        if status is None:
            self.console.print(f"▸ {title}", soft_wrap=True)
        else:
            status.start()
        try:
            yield step
        finally:
            step.over = True
            self.seconds[name] = round(time.monotonic() - started_s, 3)
            if status is not None:
                status.stop()
        ending = f": {step.result}" if step.result else ""
        self.console.print(f"[green]✓[/] {title}{ending} [dim]({self.seconds[name]:.1f} s)[/]", soft_wrap=True)

    def alert(self, heard: HeardAlert) -> None:
        """Print a state change of an alert."""
        alert = heard.alert
        if alert.state is AlertState.FIRING:
            style = _STYLES.get(alert.severity, "bold")
            self.say(f"  [{style}]▲ {alert.severity} {alert.rule}[/] {escape(self._rename(alert, alert.summary))}")
            if alert.recommendation:
                self.say(f"    [dim]→ {escape(alert.recommendation)}[/]")
        elif alert.state is AlertState.RESOLVED:
            entity = self._rename(alert, f"{alert.dimension} {alert.entity}")
            self.say(f"  [green]▽ resolved {alert.rule}[/] {escape(entity)}")

    def _rename(self, alert: Alert, text: str) -> str:
        return text.replace(alert.entity, self._names.get(alert.entity, alert.entity))

    def invite(self, settings: Settings) -> None:
        """Say where the stack is and what to try on it."""
        self.console.print(
            "\nThe stack stays up. In another terminal:\n"
            f"  export TOKENTRAIL_KAFKA={settings.kafka} TOKENTRAIL_CLICKHOUSE={settings.clickhouse_address}\n"
            "  tokentrail status\n"
            "  tokentrail alerts --follow\n"
            "  tokentrail costs --by department,model\n"
            "  tokentrail query 'FROM calls SELECT user_id, count() GROUP BY user_id ORDER BY 2 DESC LIMIT 5'\n"
            "Ctrl-C stops it.",
            soft_wrap=True,
        )
