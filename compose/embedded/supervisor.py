"""Keeps the processes of a stack running: starts, waits until ready, restarts, and stops in order.

Own code, since none of the kept process managers does what one machine's stack needs: honcho neither waits for
readiness nor restarts; supervisor and circus restart, but know only "has been up for N seconds", and bring sockets and
configuration files of their own. systemd does all of it, where there is one and a user may use it; the parts speak its
protocol, so they also run as its units.
"""

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tokentrail.compose.embedded.backoff import Backoff
from tokentrail.compose.embedded.child import Child
from tokentrail.compose.embedded.notify_socket import NotifySocket
from tokentrail.compose.embedded.part import Part, PartState, PartStatus
from tokentrail.compose.embedded.part_log import PartLog
from tokentrail.errors import StackError

_TRIES_BEFORE_READY: Final = 3
_LAST_WORDS_S: Final = 2.0
"""What a process wrote longer before its end is hardly the reason for it."""


class _Kept:
    """A part, its status, and the task that keeps it running."""

    def __init__(self, part: Part, log: PartLog) -> None:
        self.part = part
        self.log = log
        self.status = PartStatus(name=part.name, address=part.address)
        self.child: Child | None = None
        self.task: asyncio.Task[None] | None = None
        self.wanted = True
        self.deaths = 0
        self.last_death = ""


class Supervisor:
    """Runs parts until it is stopped; one event loop, no thread of its own.

    `on_change` is called with a part's status after each change of its state or of what it says of itself.
    """

    def __init__(self, logs: Path, on_change: Callable[[PartStatus], None] = lambda _: None) -> None:
        self._logs = logs
        self._on_change = on_change
        self._kept: dict[str, _Kept] = {}
        self._changed = asyncio.Event()
        # Short, and not below the data directory: the path of a socket has at most 107 bytes.
        self._sockets = Path(tempfile.mkdtemp(prefix="tokentrail-"))

    @property
    def statuses(self) -> list[PartStatus]:
        """Status of each part, in the order they were started in."""
        return [kept.status for kept in self._kept.values()]

    def status(self, name: str) -> PartStatus:
        """Return the status of one part; it changes as the part does."""
        return self._kept[name].status

    async def start(self, *parts: Part) -> None:
        """Start parts at the same time; return when all are ready.

        Raises:
            StackError: a part died again and again before it was ready, or was not ready in its time.
        """
        for part in parts:
            kept = _Kept(part, PartLog(self._logs / f"{part.name}.log"))
            self._kept[part.name] = kept
            kept.task = asyncio.create_task(self._keep(kept), name=f"keep {part.name}")
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(self._until_first_ready(self._kept[part.name]))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def wait_ready(self, name: str, *, restarts: int = 0) -> None:
        """Wait until a part is ready and has been restarted at least so often."""
        status = self.status(name)
        while status.state is not PartState.READY or status.restarts < restarts:
            await self._changed.wait()

    async def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a part and wait until its process has ended; it is restarted like any that dies."""
        kept = self._kept[name]
        child = kept.child
        if not child:
            return
        child.send(number)
        while kept.child is child:
            await self._changed.wait()

    async def stop(self) -> None:
        """Stop all parts, the last one started first, and wait for each; none is left behind, whatever it does."""
        for kept in reversed(self._kept.values()):
            await self._stop_one(kept)
        shutil.rmtree(self._sockets, ignore_errors=True)

    def kill_all(self) -> None:
        """Kill every process at once, for those who cannot wait; `stop` then finds nothing to wait for."""
        for kept in self._kept.values():
            kept.wanted = False
            if kept.child:
                kept.child.send(signal.SIGKILL)

    async def _stop_one(self, kept: _Kept) -> None:
        kept.wanted = False
        if kept.task and kept.child:
            self._set(kept, PartState.STOPPING)
            await kept.child.stop(kept.part.stop_within_s)
        elif kept.task:
            kept.task.cancel()
        if kept.task:
            await asyncio.wait([kept.task])
        kept.log.close()
        self._set(kept, PartState.STOPPED)

    async def _keep(self, kept: _Kept) -> None:
        backoff = Backoff()
        while kept.wanted:
            ended = await self._run_once(kept)
            if not kept.wanted:
                return
            kept.deaths += 1
            last_words = kept.log.last_line(since=max(kept.status.started_at, time.time() - _LAST_WORDS_S))
            kept.last_death = f"{ended}: {last_words}" if last_words else ended
            delay_s = backoff.next_delay_s(ran_for_s=time.time() - kept.status.started_at)
            kept.status.detail = f"starts again in {delay_s:.1f} s; {kept.last_death}"
            self._set(kept, PartState.RESTARTING)
            await asyncio.sleep(delay_s)
            kept.status.restarts += 1

    async def _run_once(self, kept: _Kept) -> str:
        """Run a part's process from start to end; return how it ended."""
        notify = NotifySocket(
            self._sockets / f"{kept.part.name}-{kept.status.restarts}",
            on_ready=lambda: self._set(kept, PartState.READY),
            on_status=lambda text: self._say(kept, text),
        )
        kept.status.started_at = time.time()
        probing: asyncio.Task[None] | None = None
        try:
            await notify.open()
            kept.child = await Child.start(kept.part, kept.log, notify.path)
            kept.status.pid, kept.status.detail = kept.child.pid, ""
            self._set(kept, PartState.STARTING)
            probing = asyncio.create_task(self._probe(kept))
            return await kept.child.wait()
        except OSError as error:
            return f"cannot be started: {error}"
        finally:
            if probing:
                probing.cancel()
            notify.close()
            kept.child, kept.status.pid = None, None

    async def _probe(self, kept: _Kept) -> None:
        if kept.part.probe:
            await kept.part.probe()
            self._set(kept, PartState.READY)

    async def _until_first_ready(self, kept: _Kept) -> None:
        part, status = kept.part, kept.status
        try:
            async with asyncio.timeout(part.ready_within_s):
                while status.state is not PartState.READY and kept.deaths < _TRIES_BEFORE_READY:
                    await self._changed.wait()
        except TimeoutError:
            raise StackError(
                f"{part.name} was not ready within {part.ready_within_s:.0f} s; its log: {kept.log.baseFilename}"
            ) from None
        if status.state is not PartState.READY:
            raise StackError(f"{part.name} does not start: {kept.last_death} (its log: {kept.log.baseFilename})")

    def _say(self, kept: _Kept, text: str) -> None:
        kept.status.detail = text
        self._announce(kept)

    def _set(self, kept: _Kept, state: PartState) -> None:
        # A last word from a process that is being stopped does not make it ready again.
        if state is PartState.READY and not kept.wanted:
            return
        kept.status.state = state
        self._announce(kept)

    def _announce(self, kept: _Kept) -> None:
        self._on_change(kept.status)
        self._changed.set()
        self._changed = asyncio.Event()
