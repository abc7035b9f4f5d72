"""`tokentrail prices`: what models cost, how a call's cost came about, and what has no price."""

import typer

from tokentrail.cli.price_explain import explain
from tokentrail.cli.price_lists import check, example, show
from tokentrail.cli.price_missing import missing
from tokentrail.cli.price_reprice import reprice

app = typer.Typer(no_args_is_help=True, help="What models cost, how a call's cost came about, and what has no price.")
for command in (show, check, example, explain, missing, reprice):
    app.command()(command)
