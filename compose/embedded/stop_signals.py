"""Ctrl-C and its kin as a cancellation: once to stop in order, twice to stop at once."""

import asyncio
import signal
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """Cancels the task inside the `async with` at the first signal, and calls `second` at each later one."""

    def __init__(self) -> None:
        self.received = False
        """Whether a signal came: what tells this cancellation from any other."""
        self.second: Callable[[], None] = lambda: None
        self._task: asyncio.Task[object] | None = None

    async def __aenter__(self) -> Self:
        """Take the signals over."""
        self._task = asyncio.current_task()
        for number in _STOPPING:
            asyncio.get_running_loop().add_signal_handler(number, self._stop)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give the signals back."""
        for number in _STOPPING:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _stop(self) -> None:
        if self.received:
            self.second()
        elif self._task:
            self.received = True
            self._task.cancel()
