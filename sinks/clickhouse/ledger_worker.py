"""The ledger writer as a process: `python -m tokentrail.sinks.clickhouse.ledger_worker`."""

import asyncio
import logging
import signal
import sys

from tokentrail.errors import TokentrailError
from tokentrail.garbage import collect_rarely
from tokentrail.processors.pricing import PriceBook, PriceSource
from tokentrail.processors.pricing_list import load_price_list
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.settings import Settings, load_settings
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


def price_book(settings: Settings) -> PriceBook:
    """Return the user's own prices before the public ones.

    Raises:
        PriceListError: the price file cannot be used.
    """
    own: list[PriceSource] = [load_price_list(settings.prices)] if settings.prices else []
    return PriceBook(*own, PublicPrices())


async def _serve(settings: Settings) -> None:
    writer = LedgerWriter(settings, price_book(settings))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, writer.stop)
    collect_rarely()
    await writer.run()


if __name__ == "__main__":
    main()
