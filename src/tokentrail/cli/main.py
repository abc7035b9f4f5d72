"""The `tokentrail` command: registers every sub-command, and turns errors into one sentence."""

import logging
import sys

import typer
from rich.markup import escape

from tokentrail.cli.alerts import alerts
from tokentrail.cli.costs import costs
from tokentrail.cli.demo import demo
from tokentrail.cli.migrate import migrate
from tokentrail.cli.output import err
from tokentrail.cli.query import query
from tokentrail.cli.replay import replay
from tokentrail.cli.status import status
from tokentrail.cli.topics import topics
from tokentrail.cli.up import up
from tokentrail.errors import TokentrailError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The audit trail of your LLM calls: who called which model, what it cost, what is wrong right now.",
)
for command in (up, demo, status, alerts, costs, query, topics, migrate, replay):
    app.command()(command)


def run() -> None:
    """Entry point. A user's mistake or an absent service ends with one sentence on stderr and exit status 1."""
    # What libraries log of a failure stands in the one sentence below.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        app()
    except TokentrailError as error:
        err.print(f"[bold red]tokentrail:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    run()
