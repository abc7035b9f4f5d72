"""The sub-commands that need no more than the base install: what a service needs on its own machine."""

from collections.abc import Sequence
from importlib import import_module
from typing import Final

LIGHT_COMMANDS: Final = {
    "doctor": "Find out why calls fail or are not recorded: keys, connections, Kafka, clock, spool.",
    "run": "Run a program with its LLM calls recorded, without a change to its code.",
    "spool": "See and ship what waits on disk for Kafka.",
}
"""Each is a module of that name in this package, with `main(arguments) -> exit status`."""


def run_light(name: str, arguments: Sequence[str]) -> int:
    """Run a sub-command and return its exit status.

    Raises:
        TokentrailError: what the command line tells in one sentence.
    """
    status: int = import_module(f"tokentrail.cli.{name}").main(arguments)
    return status
