"""`tokentrail prices missing`: calls that have no cost, and why."""

from typing import Annotated

import typer

from tokentrail.cli.costs import parse_filter
from tokentrail.cli.moments import parse_period
from tokentrail.cli.output import JsonFlag, out, print_json, print_table


def missing(  # noqa: PLR0913 - each is an option of its own
    *,
    since: Annotated[str, typer.Option(help="Calls since then: 90m, 24h, 7d, or an ISO time.")] = "30d",
    until: Annotated[str | None, typer.Option(help="Calls before then; without it, up to now.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Only these calls, as in `tokentrail costs`; may be repeated.")
    ] = None,
    provider: Annotated[list[str] | None, typer.Option(help="Calls to this provider; may be repeated.")] = None,
    mapped: Annotated[
        bool, typer.Option("--mapped", help="Department, team and cost centre as `tokentrail mappings` says.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """List the calls that have no cost, with the reason. They are in no sum: never 0, never a guess."""
    from tokentrail.processors.unpriced import Unpriced
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.cost_query import CostQuery
    from tokentrail.sinks.clickhouse.unpriced_calls import read_unpriced_calls

    begin, end = parse_period(since, until)
    query = CostQuery(
        since=begin,
        until=end,
        filters=dict(parse_filter(text) for text in where or ()),
        mapped=mapped,
    )
    found = read_unpriced_calls(current_settings(), query, provider or ())
    unpriced = [one for one in found if one.reason is not Unpriced.FAILED]
    calls, failed = sum(one.calls for one in unpriced), sum(one.calls for one in found) - sum(o.calls for o in unpriced)
    if as_json:
        print_json({"unpriced_calls": calls, "failed_without_tokens": failed, "missing": found})
        return
    period = f"since {since}" + (f" until {until}" if until else "")
    if unpriced:
        tiers = any(one.service_tier for one in unpriced)
        rows = [
            (
                one.provider or "-",
                one.model or "-",
                *([one.service_tier or "-"] if tiers else ()),
                f"{one.calls:,}",
                one.reason.phrase,
                f"{one.first_seen:%Y-%m-%d %H:%M:%S}",
                f"{one.last_seen:%Y-%m-%d %H:%M:%S}",
            )
            for one in unpriced
        ]
        columns = ("provider", "model", *(["tier"] if tiers else ()), "calls", "reason", "first UTC", "last UTC")
        print_table(f"Calls without a cost {period}", columns, rows, ("calls",))
    else:
        out.print(f"No call {period} is unpriced.", markup=False, soft_wrap=True)
    if failed:
        out.print(
            f"{failed:,} failed without tokens: nothing was used, and they are not counted as unpriced.",
            soft_wrap=True,
        )
