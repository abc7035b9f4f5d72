"""The embedded ClickHouse engine as a process: `python -m tokentrail.compose.embedded.engine --data DIR --port N`."""

import argparse
import asyncio
import errno
import signal
import sys
from pathlib import Path

from aiohttp import web

from tokentrail.compose.embedded.clickhouse_http.accounts import Accounts
from tokentrail.compose.embedded.clickhouse_http.native import native
from tokentrail.compose.embedded.clickhouse_http.server import Front
from tokentrail.compose.embedded.clickhouse_http.store import Store
from tokentrail.errors import PortTakenError, StackError, TokentrailError
from tokentrail.readiness import report_ready, report_state
from tokentrail.settings import load_settings

# Long enough for the ledger's largest insert; a query that takes longer is cut off.
_STOP_DEADLINE_S = 20.0


def main() -> None:
    """Serve until SIGTERM or SIGINT; a user's mistake ends with one sentence and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m tokentrail.compose.embedded.engine", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory of the ClickHouse data")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    options = parser.parse_args()
    try:
        asyncio.run(serve(options.data.expanduser().resolve(), options.host, options.port))
    except TokentrailError as error:
        sys.stderr.write(f"tokentrail: {error}\n")
        sys.exit(1)


async def serve(data: Path, host: str, port: int) -> None:
    """Open the store, answer requests until a stop signal comes, finish what runs, and close the store.

    Raises:
        StackError: the data directory or the port cannot be used.
    """
    accounts = Accounts(load_settings())
    stopping = asyncio.Event()
    # chDB has put its own handlers in place; they would end the process in the middle of a write.
    native.reset_signal_handlers()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    store = Store(data)
    front = Front(store, accounts)
    try:
        runner = web.AppRunner(
            front.application(), auto_decompress=False, access_log=None, handler_cancellation=True,
            shutdown_timeout=_STOP_DEADLINE_S, keepalive_timeout=75,
        )  # fmt: skip
        await runner.setup()
        await _listen(runner, host, port)
        report_ready()
        report_state(f"ClickHouse {store.version} on {host}:{port}")
        await stopping.wait()
        report_state("finishing queries")
        await runner.cleanup()
    finally:
        front.close(_STOP_DEADLINE_S)
        store.close()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port, reuse_address=True).start()
    except OSError as error:
        await runner.cleanup()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f"Port {port} on {host} is in use; stop what listens there or choose another --port."
            ) from error
        raise StackError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error


if __name__ == "__main__":
    main()
