"""`tokentrail spool`: what waits on the disk for Kafka, and getting it there."""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from threading import Timer
from typing import Final

import msgspec

from tokentrail.errors import SettingsError
from tokentrail.producers.spool.directory import default_root
from tokentrail.producers.spool.hand_shipping import Shipped, Waiting, list_waiting, ship_spool
from tokentrail.settings import Settings, current_settings

_PATIENCE_S: Final = 1.0
"""Whoever waits longer without a word wants to know for what."""


def main(arguments: Sequence[str]) -> int:
    """List or ship. Exit status 1 if something is left that is not in use.

    Raises:
        SettingsError: there is no spool, or no broker is configured.
        BrokerError: Kafka did not take everything in time.
    """
    options = _parse(arguments)
    settings = current_settings()
    path = options.directory or settings.spool or default_root()
    if options.command == "list":
        waiting = list_waiting(path)
        _print(waiting if options.json else _table(waiting, path))
        return 0
    return _ship(path, settings, options)


def _ship(path: Path, settings: Settings, options: argparse.Namespace) -> int:
    if not settings.kafka_configured:
        raise SettingsError("No Kafka is configured to ship to: set TOKENTRAIL_KAFKA.")
    silent = options.json or not sys.stderr.isatty()
    until = datetime.now().astimezone() + timedelta(seconds=options.timeout)
    waits = f"Waiting for Kafka at {settings.kafka} to take what is in {path}; giving up at {until:%H:%M:%S}."
    patience = Timer(_PATIENCE_S, _tell, (waits,))
    patience.daemon = True

    def tell(sentence: str) -> None:
        patience.cancel()
        if not silent:
            _tell(sentence)

    patience.start()
    try:
        done = ship_spool(path, settings, timeout_s=options.timeout, tell=tell)
    finally:
        patience.cancel()
    _print(done if options.json else _sentences(done))
    return 1 if done.meant_elsewhere else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tokentrail spool", description="See and ship what waits on disk for Kafka.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="show what waits, process by process")
    shipping = commands.add_parser("ship", help="ship what processes left that are no more")
    for command in (listing, shipping):
        command.add_argument(
            "directory",
            nargs="?",
            type=Path,
            metavar="DIR",
            help="a spool, or the directory of one process in it; by default the setting `spool`",
        )
        command.add_argument("--json", action="store_true", help="print JSON")
    shipping.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="give up after (default: 60)")
    return parser.parse_args(arguments)


def _print(what: str | Shipped | list[Waiting]) -> None:
    text = what if isinstance(what, str) else msgspec.json.format(msgspec.json.encode(what), indent=2).decode()
    sys.stdout.write(text + "\n")


def _table(waiting: list[Waiting], path: Path) -> str:
    if not waiting:
        return f"Nothing waits in {path}."
    lines = [
        f"{one.records:>12,} records {one.size_bytes:>15,} bytes  {one.state:<6}  {one.directory}" for one in waiting
    ]
    return "\n".join(lines)


def _sentences(done: Shipped) -> str:
    lines = [f"{done.shipped:,} records shipped; {done.found:,} more were in the topic already."]
    if done.lost:
        lines.append(f"{done.lost:,} records cannot be read from the disk or are refused by the broker.")
    lines += [f"{name} is in use: its process ships it." for name in done.in_use]
    lines += [
        f"{name} is meant for another topic: set topic_prefix as that service had it." for name in done.meant_elsewhere
    ]
    return "\n".join(lines)


def _tell(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
