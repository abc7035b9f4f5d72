"""The publisher's thread: an event loop of its own that is woken when there is work, and sleeps otherwise."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

from tokentrail.producers.delivery import DeliveryLoop, quiet_this_thread
from tokentrail.producers.guard import guarded
from tokentrail.producers.kafka_import import import_aiokafka

LINGER_S: Final = 0.015
_RESTART_S: Final = 1.0
_WAKING: Final = guarded("waking the publisher")
_RUNNING: Final = guarded("publishing")


class Work(Protocol):
    """What the thread does. Everything is called in it."""

    def waits(self) -> int:
        """Return 0 when there is nothing to do, 1 when there is, 2 when there is enough to begin at once."""
        ...

    async def work(self) -> float | None:
        """Do a round of it. Returns in how many seconds to call it again though nothing is waiting; None: never."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class DeliveryThread:
    """Starts with the first `wake`. Idle, it waits without a timer of its own.

    A failure inside is logged once, and the loop is begun anew a second later. A forked child has no such thread: make
    another one there and keep this one, unused, because letting go of it would close what the parent still works with.
    """

    def __init__(self, work: Work, linger_s: float = LINGER_S) -> None:
        self._work = work
        self._linger_s = linger_s
        self._starting = threading.RLock()
        self._thread: threading.Thread | None = None
        self._loop: DeliveryLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._called: asyncio.Event | None = None
        self._awake = False
        self._stopping = False
        self.hurry = False
        """True: somebody is waiting, do not collect more before each round."""

    def wake(self) -> None:
        """Say that there is work. Never blocks, never raises; a flag is all it looks at while the thread is awake."""
        if not self._awake:
            with _WAKING:
                self._wake()

    def stop(self, timeout_s: float) -> None:
        """Break off what is being done and wait for the thread's end."""
        self._stopping = True
        with suppress(RuntimeError):  # the loop may be gone already
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _wake(self) -> None:
        loop, called = self._loop, self._called
        if loop is not None and called is not None:
            self._awake = True
            loop.call_soon_threadsafe(called.set)
            return
        with self._starting:
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="tokentrail-publisher", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping:
            with _RUNNING:
                import_aiokafka()
                with quiet_this_thread():
                    self._run_loop()
            if not self._stopping:  # it failed: perhaps the next time
                time.sleep(_RESTART_S)

    def _run_loop(self) -> None:
        loop = DeliveryLoop()
        loop.set_exception_handler(lambda _loop, _context: None)  # told by `last_error`, not in the host's log
        self._loop = loop
        try:
            self._task = loop.create_task(self._publish())
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(self._task)
            loop.run_until_complete(self._work.close())
        finally:
            self._loop = None
            loop.close()

    async def _publish(self) -> None:
        self._called = called = asyncio.Event()
        again_s: float | None = 0.0
        while True:
            if not self._work.waits():
                called.clear()
                self._awake = False
                if not self._work.waits():  # something may have come between the two lines above
                    await _wait(called.wait, again_s)
                self._awake = True
            if self._work.waits() == 1 and not self.hurry:
                await asyncio.sleep(self._linger_s)
            again_s = await self._work.work()


async def _wait(wait: Callable[[], Awaitable[object]], timeout_s: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await wait()
