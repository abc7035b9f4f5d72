"""What the demo says while it runs: one line for each step, each alert as it fires; with and without a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from tokentrail.compose.demo.verdict import HeardAlert
from tokentrail.schemas.alerts import AlertState, Severity

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
        self.result = ""
        """What the finished step's line says behind its title."""

    def tell(self, progress: str) -> None:
        """Show how far it is."""
        if self._status is not None:
            self._status.update(f"{self._title}: {escape(progress)}")
        elif time.monotonic() - self._told_at_s >= _PLAIN_EVERY_S:
            self._told_at_s = time.monotonic()
            self._console.print(f"  … {self._title}: {escape(progress)}")


class Narrator:
    """Tells the demo's story on a console and keeps how long each step took."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seconds: dict[str, float] = {}
        """Step name → seconds, in the order in which the steps ended."""

    def say(self, text: str) -> None:
        """Print a line; Rich markup is heeded."""
        self.console.print(text)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Step]:
        """Announce a step, and close it with its time; a step that fails is left without a tick."""
        started_s = time.monotonic()
        status = self.console.status(title) if self.console.is_terminal else None
        step = Step(self.console, title, status)
        if status is None:
            self.console.print(f"▸ {title}")
        else:
            status.start()
        try:
            yield step
        finally:
            self.seconds[name] = round(time.monotonic() - started_s, 3)
            if status is not None:
                status.stop()
        ending = f": {step.result}" if step.result else ""
        self.console.print(f"[green]✓[/] {title}{ending} [dim]({self.seconds[name]:.1f} s)[/]")

    def alert(self, heard: HeardAlert) -> None:
        """Print a state change of an alert."""
        alert = heard.alert
        if alert.state is AlertState.FIRING:
            style = _STYLES.get(alert.severity, "bold")
            self.console.print(f"  [{style}]▲ {alert.severity} {alert.rule}[/] {escape(alert.summary)}")
            if alert.recommendation:
                self.console.print(f"    [dim]→ {escape(alert.recommendation)}[/]")
        elif alert.state is AlertState.RESOLVED:
            self.console.print(f"  [green]▽ resolved {alert.rule}[/] {escape(alert.dimension)} {escape(alert.entity)}")
