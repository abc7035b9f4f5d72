"""The ledger writer as a process: `python -m tokentrail.sinks.clickhouse.ledger_worker`."""

import asyncio
import logging
import signal
import sys

from tokentrail.errors import TokentrailError
from tokentrail.garbage import collect_rarely
from tokentrail.processors.price_sources import open_price_book
from tokentrail.settings import Settings, load_settings
from tokentrail.sinks.clickhouse.alert_writer import alert_writer
from tokentrail.sinks.clickhouse.follower_worker import follower_worker
from tokentrail.sinks.clickhouse.ledger import LedgerWriter


def main() -> None:
    """Write the ledger until SIGTERM or SIGINT; a user's mistake ends with one sentence and exit status 1."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Their warnings repeat what the writer says in a sentence of its own.
    for name in ("urllib3", "clickhouse_connect"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        settings = load_settings()
        asyncio.run(_serve(settings))
    except TokentrailError as error:
        sys.stderr.write(f"tokentrail: {error}\n")
        sys.exit(1)


async def _serve(settings: Settings) -> None:
    """Run the writer of calls, whose end is the end of the process; that of alerts and the log's follower beside it.

    What fails in those two is in the log and tried again; calls are written all the same.
    """
    calls = LedgerWriter(settings, open_price_book(settings))
    alerts, follower = alert_writer(settings), follower_worker(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, calls.stop)
    collect_rarely()
    beside = [asyncio.create_task(alerts.run()), asyncio.create_task(follower.run())]
    try:
        await calls.run()
    finally:
        alerts.stop()
        follower.stop()
        await asyncio.gather(*beside)


if __name__ == "__main__":
    main()
