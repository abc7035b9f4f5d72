"""The demo's provider as a process of its own, started and stopped with the demo."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tokentrail.errors import StackError

_START_S = 20
_STOP_S = 5


@asynccontextmanager
async def run_provider() -> AsyncIterator[str]:
    """Run the provider; yields its address, e.g. `http://127.0.0.1:40123`. Stops it on the way out, whatever happens.

    Raises:
        StackError: it did not start.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tokentrail.compose.demo.provider",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is the demo's to handle, not its children's
    )
    try:
        yield await _read_address(process)
    finally:
        await _stop(process)


async def _read_address(process: asyncio.subprocess.Process) -> str:
    line = b""
    if process.stdout is not None:
        with suppress(TimeoutError):
            line = await asyncio.wait_for(process.stdout.readline(), _START_S)
    if not line.startswith(b"http"):
        raise StackError(f"The demo's provider did not start within {_START_S} s; see the messages above.")
    return line.decode().strip()


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
