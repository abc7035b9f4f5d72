"""`tokentrail prices missing`: what was called and has no price."""

from typing import Annotated

import typer

from tokentrail.cli.moments import parse_moment
from tokentrail.cli.output import JsonFlag, out, print_json, print_table

_NUMBERS = ("calls", "input tokens", "output tokens")


def missing(
    since: Annotated[str, typer.Option(help="Calls since then: 90m, 24h, 7d, or an ISO time.")] = "30d",
    as_json: JsonFlag = False,
) -> None:
    """List models without a known price. Their calls have no cost: never 0, never a guess."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.missing_prices import read_missing_prices

    found = read_missing_prices(current_settings(), parse_moment(since))
    if as_json:
        print_json(found)
    elif not found:
        out.print(f"Every model that was called since {since} has a price.")
    else:
        rows = [
            (
                one.provider or "-",
                one.model or "-",
                one.service_tier or "-",
                *(f"{count:,}" for count in (one.calls, one.input_tokens, one.output_tokens)),
                f"{one.first_seen:%Y-%m-%d %H:%M:%S}",
                f"{one.last_seen:%Y-%m-%d %H:%M:%S}",
            )
            for one in found
        ]
        columns = ("provider", "model", "tier", *_NUMBERS, "first seen UTC", "last seen UTC")
        print_table(f"Models without a price since {since}", columns, rows, _NUMBERS)
