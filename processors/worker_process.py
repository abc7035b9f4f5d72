"""A Faust app as a process of its own."""

import sys
from typing import NoReturn

import faust

from tokentrail.garbage import collect_rarely


def run_until_stopped(app: faust.App) -> NoReturn:
    """Run the app until SIGTERM or SIGINT, warnings and errors to standard error; then end the process."""
    collect_rarely()
    worker = faust.Worker(app, loglevel="WARN", quiet=True)
    # It would write cursor movements into the log, and have every logger of the process make its debug messages.
    worker.spinner = None
    sys.exit(worker.execute_from_commandline())
