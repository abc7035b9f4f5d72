"""One running process of a part: started tethered to this one, its output in a bounded file."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from tokentrail.compose.embedded.part import Part
from tokentrail.compose.embedded.part_log import PartLog

_TETHER: Final = Path(__file__).parent / "tether.py"
_PIECE_BYTES: Final = 65_536


class Child:
    """A process and the task that reads its output."""

    def __init__(self, process: asyncio.subprocess.Process, log: PartLog) -> None:
        self._process = process
        self._reader = asyncio.create_task(self._read(log))

    @classmethod
    async def start(cls, part: Part, log: PartLog, notify_path: Path) -> Self:
        """Start the part's command; from a thread that lives as long as the command shall."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())),
            *part.command,
            env={**part.environ, "NOTIFY_SOCKET": str(notify_path)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A Ctrl-C in the terminal is for the supervisor, which stops its parts in their order.
            start_new_session=True,
        )
        return cls(process, log)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def wait(self) -> str:
        """Wait for the process to end; return how it did."""
        code = await self._process.wait()
        # What it wrote before it ended is still in the pipe; a process of its own that outlives it must not keep us.
        await asyncio.wait([self._reader], timeout=1)
        self._reader.cancel()
        return f"exit status {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, within_s: float) -> None:
        """End the process: SIGTERM, and SIGKILL when it takes longer than it may."""
        self.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), within_s)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self._process.wait()

    async def _read(self, log: PartLog) -> None:
        while self._process.stdout and (piece := await self._process.stdout.read(_PIECE_BYTES)):
            log.append(piece)
