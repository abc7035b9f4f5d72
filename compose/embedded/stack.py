"""The one-machine stack: Kafka, the ClickHouse engine, topics, migrations, and the three workers.

async with running_stack(StackPlan(data=path, settings=settings)) as stack:
    stack.settings  # has the addresses; stack.environ is for processes that shall use them
    await stack.kill("slice")
    await stack.wait_ready("slice", restarts=1)
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import psutil

from tokentrail.compose.embedded import disk
from tokentrail.compose.embedded.data_lock import data_lock
from tokentrail.compose.embedded.jars import ensure_jars
from tokentrail.compose.embedded.part import PartState, PartStatus
from tokentrail.compose.embedded.stack_plan import KAFKA, LEDGER, WORKERS, StackPlan
from tokentrail.compose.embedded.stack_state import PartReport, StackState, remove_state, write_state
from tokentrail.compose.embedded.supervisor import Supervisor
from tokentrail.compose.environ import worker_environ
from tokentrail.compose.topics import create_topics
from tokentrail.settings import Settings

OnChange = Callable[[PartStatus], None]


class Stack:
    """A running stack; made by `running_stack`."""

    def __init__(self, plan: StackPlan, on_change: OnChange) -> None:
        self._plan = plan
        self._on_change = on_change
        self._supervisor = Supervisor(plan.data / "logs", self._changed)
        self._started_at = psutil.Process().create_time()
        self.environ = worker_environ(plan.settings)
        """A whole environment for processes that shall work with this stack."""

    @property
    def settings(self) -> Settings:
        """Settings that have the addresses of this stack."""
        return self._plan.settings

    @property
    def data(self) -> Path:
        """Directory of everything that the stack writes."""
        return self._plan.data

    def pid(self, part: str) -> int | None:
        """Return the process id of a part, None while it is not running."""
        return self._supervisor.status(part).pid

    def pids(self) -> dict[str, int]:
        """Return the process ids of all parts that are running, by name."""
        return {status.name: status.pid for status in self._supervisor.statuses if status.pid}

    async def kill(self, part: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a part and wait until its process has ended; the supervisor then starts it again."""
        await self._supervisor.kill(part, number)

    async def wait_ready(self, part: str, *, restarts: int = 0) -> None:
        """Wait until a part is ready and has been restarted at least so often."""
        await self._supervisor.wait_ready(part, restarts=restarts)

    async def watch_disk(self) -> None:
        """Return never while there is room for the data.

        Raises:
            DiskFullError: hardly any is left; leave `running_stack` now.
        """
        await disk.watch_room(self.data)

    def kill_all(self) -> None:
        """Kill every process at once. Nothing acknowledged is lost, but the next start takes longer."""
        self._supervisor.kill_all()

    async def start(self) -> None:
        """Start the parts in their order; return when all are ready."""
        await self._supervisor.start(*self._plan.services(self.environ))
        if self._plan.parts & WORKERS:
            await self._step("topics", self._create_topics())
        if LEDGER in self._plan.parts:
            await self._step("migrations", asyncio.to_thread(self._migrate))
        await self._supervisor.start(*self._plan.workers(self.environ))

    async def stop(self) -> None:
        """Stop the parts, the last one started first; none is left behind."""
        await self._supervisor.stop()
        remove_state(self.data)

    async def _create_topics(self) -> str:
        reports = await create_topics(self.settings)
        differing = [report.name for report in reports if report.outcome == "differs"]
        made = sum(report.outcome == "created" for report in reports)
        return f"{made} created, {len(reports) - made} there" + (
            f"; other than expected: {differing}" * bool(differing)
        )

    def _migrate(self) -> str:
        from tokentrail.sinks.clickhouse.migrations import migrate

        return f"{len(migrate(self.settings))} applied"

    async def _step(self, name: str, work: Awaitable[str]) -> None:
        self._on_change(PartStatus(name=name, state=PartState.STARTING))
        self._on_change(PartStatus(name=name, state=PartState.DONE, detail=await work))

    def _changed(self, status: PartStatus) -> None:
        write_state(self.data, self._state())
        self._on_change(status)

    def _state(self) -> StackState:
        reports = (
            PartReport(**asdict(status), log=str(self.data / "logs" / f"{status.name}.log"))
            for status in self._supervisor.statuses
        )
        return StackState(
            pid=os.getpid(),
            pid_started_at=self._started_at,
            kafka=self.settings.kafka,
            clickhouse=self.settings.clickhouse_address,
            topic_prefix=self.settings.topic_prefix,
            clickhouse_database=self.settings.clickhouse_database,
            parts=tuple(reports),
        )


@asynccontextmanager
async def running_stack(plan: StackPlan, on_change: OnChange = lambda _: None) -> AsyncIterator[Stack]:
    """Run a stack for the length of an `async with`; whatever happens inside, all its processes have ended after it.

    The thread that runs the event loop must stay for as long: when it ends, the kernel kills the processes.

    Raises:
        AlreadyRunningError: another stack owns the data directory.
        PortTakenError: a port that was asked for is in use.
        DiskFullError: too little room to start.
        DownloadError: Kafka is not there yet and cannot be had.
        StackError: a part does not start; names it and its log.
    """
    with data_lock(plan.data.expanduser()):
        plan = plan.placed()
        disk.require_room(plan.data)
        if KAFKA in plan.parts:
            # Here rather than in Kafka's own process: its progress is shown to a person.
            await asyncio.to_thread(ensure_jars)
        stack = Stack(plan, on_change)
        try:
            await stack.start()
            yield stack
        finally:
            await _surely(stack.stop())


async def _surely(stopping: Awaitable[None]) -> None:
    # A second cancellation must not leave processes behind.
    task = asyncio.ensure_future(stopping)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        raise cancelled
    task.result()
