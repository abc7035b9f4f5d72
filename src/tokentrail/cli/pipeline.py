"""The sub-commands that come with the extra `pipeline`, for people who run or read the trail."""

import typer

from tokentrail.cli.alerts import app as alerts
from tokentrail.cli.backtest import app as backtest
from tokentrail.cli.budgets import app as budgets
from tokentrail.cli.checkpoint import checkpoint
from tokentrail.cli.costs import costs
from tokentrail.cli.demo import demo
from tokentrail.cli.erase import access, erase
from tokentrail.cli.export import export
from tokentrail.cli.keys import app as keys
from tokentrail.cli.light import LIGHT_COMMANDS, run_light
from tokentrail.cli.mappings import app as mappings
from tokentrail.cli.migrate import migrate
from tokentrail.cli.prices import app as prices
from tokentrail.cli.query import app as query
from tokentrail.cli.reconcile import reconcile
from tokentrail.cli.replay import replay
from tokentrail.cli.report import app as report
from tokentrail.cli.rules import app as rules
from tokentrail.cli.savings import savings
from tokentrail.cli.scorecard import scorecard
from tokentrail.cli.simulate import simulate
from tokentrail.cli.status import status
from tokentrail.cli.storage import storage
from tokentrail.cli.topics import topics
from tokentrail.cli.up import up
from tokentrail.cli.verify import verify

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The audit trail of your LLM calls: who called which model, what it cost, what is wrong right now.",
)
for command in (up, demo, status, costs, savings, reconcile, topics, migrate, replay, simulate, scorecard, storage):
    app.command()(command)
for proof in (verify, checkpoint, export, erase, access):
    app.command()(proof)
app.add_typer(alerts, name="alerts")
app.add_typer(keys, name="keys")
app.add_typer(query, name="query")
app.add_typer(mappings, name="mappings")
app.add_typer(budgets, name="budgets")
app.add_typer(report, name="report")
app.add_typer(rules, name="rules")
app.add_typer(backtest, name="backtest")
app.add_typer(prices, name="prices")


def _pass_on(context: typer.Context) -> None:
    raise typer.Exit(run_light(context.info_name or "", context.args))


for name, sentence in LIGHT_COMMANDS.items():
    # Listed here; their arguments, --help among them, are their own.
    app.command(
        name,
        help=sentence,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(_pass_on)
