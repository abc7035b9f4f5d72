"""One line of state for each part: a table that keeps itself up to date on a terminal, a line per change elsewhere."""

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tokentrail.compose.embedded.part import PartState, PartStatus

_STYLES: Final = {
    PartState.WAITING: "dim",
    PartState.STARTING: "yellow",
    PartState.READY: "green",
    PartState.RESTARTING: "bold red",
    PartState.STOPPING: "yellow",
    PartState.STOPPED: "dim",
    PartState.DONE: "green",
}


class StackScreen:
    """Shows the changes it is told."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._statuses: dict[str, PartStatus] = {}
        self._began_at = time.monotonic()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show for the length of a `with`; the last state stays on the screen."""
        if not self._console.is_terminal:
            yield
            return
        with Live(get_renderable=self._table, console=self._console, refresh_per_second=4):
            yield

    def update(self, status: PartStatus) -> None:
        """Take in the status of one part."""
        before = self._statuses.get(status.name)
        self._statuses[status.name] = copy.copy(status)
        if not self._console.is_terminal and (before is None or before.state is not status.state):
            self._console.print(self._line(status), soft_wrap=True, markup=False)

    def _line(self, status: PartStatus) -> str:
        elapsed_s = time.monotonic() - self._began_at
        words = (status.address, f"pid {status.pid}" if status.pid else "", status.detail)
        return f"{elapsed_s:7.1f} s  {status.name:<10} {status.state:<10} {'  '.join(filter(None, words))}".rstrip()

    def _table(self) -> Table:
        table = Table(header_style="bold")
        for column in ("part", "state", "pid", "restarts", "address", "doing"):
            table.add_column(column, justify="right" if column in {"pid", "restarts"} else "left")
        for status in self._statuses.values():
            state = f"[{_STYLES[status.state]}]{status.state}[/]"
            pid = str(status.pid or "")
            table.add_row(status.name, state, pid, str(status.restarts or ""), status.address, status.detail)
        return table
