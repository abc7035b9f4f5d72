"""`tokentrail savings`: what the same calls would have cost at another model's or provider's prices."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokentrail.cli.costs import parse_filter
from tokentrail.cli.moments import none_found, parse_period
from tokentrail.cli.output import JsonFlag, out, print_json, print_table

if TYPE_CHECKING:
    from tokentrail.sinks.clickhouse.savings_query import Alternative, SavingsRow

_NUMBERS = ("calls", "compared", "cost USD", "would cost USD", "saved USD", "saved %", "no price there", "no cost here")


def savings(  # noqa: PLR0913 - each is an option of its own
    *,
    to: Annotated[
        str, typer.Option(help="provider/model, by commas, e.g. anthropic/claude-haiku-4-5,openai/gpt-4o-mini.")
    ],
    by: Annotated[str, typer.Option(help="As in `tokentrail costs`; by commas. All calls as one without it.")] = "",
    since: Annotated[str, typer.Option(help="Calls since then: 90m, 24h, 7d, or an ISO time.")] = "7d",
    until: Annotated[str | None, typer.Option(help="Calls before then; without it, up to now.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Only these calls, e.g. model=gpt-4o; may be repeated.")
    ] = None,
    tier: Annotated[str, typer.Option(help="The service tier there, e.g. batch; the ordinary one without.")] = "",
    mapped: Annotated[
        bool, typer.Option("--mapped", help="Department, team and cost centre as `tokentrail mappings` says.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show what the same calls, with the same tokens, would have cost elsewhere, each at the prices of its own day.

    A tokenizer of another model makes other counts of the same text: what it shows is an estimate of that, and exact
    only for the counts as they are.
    """
    from tokentrail.processors.price_sources import open_price_book
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.cost_query import CostQuery
    from tokentrail.sinks.clickhouse.savings_query import read_savings, require_prices

    alternatives = [_alternative(text.strip(), tier) for text in to.split(",") if text.strip()]
    if not alternatives:
        raise typer.BadParameter("--to names no provider and model; write for instance openai/gpt-4o-mini.")
    begin, end = parse_period(since, until)
    query = CostQuery(
        by=tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip())),
        since=begin,
        until=end,
        filters=dict(parse_filter(text) for text in where or ()),
        mapped=mapped,
    )
    prices = open_price_book(current_settings())
    require_prices(prices, query, alternatives)
    rows = read_savings(current_settings(), query, prices, alternatives)
    if as_json:
        print_json([_document(row) for row in rows])
    elif not any(row.calls for row in rows):
        out.print(none_found("calls with a usage", since, until), markup=False, soft_wrap=True)
    else:
        title = f"The same calls elsewhere, since {since}" + (f" until {until}" if until else "")
        print_table(title, ("at", *query.by, *_NUMBERS), [_cells(row) for row in rows], _NUMBERS)


def _alternative(text: str, tier: str) -> "Alternative":
    from tokentrail.sinks.clickhouse.savings_query import Alternative

    provider, slash, model = text.partition("/")
    if not slash or not provider or not model:
        raise typer.BadParameter(f"{text!r} names no provider and model; write for instance openai/gpt-4o-mini.")
    return Alternative(provider, model, tier)


def _document(row: "SavingsRow") -> dict[str, Any]:
    from tokentrail.sinks.clickhouse.savings_query import MEASURES

    one = row.alternative
    named = {"to_provider": one.provider, "to_model": one.model, "to_service_tier": one.service_tier}
    measures = {name: getattr(row, name) for name in MEASURES}
    return {**named, **row.group, **measures, "saved_usd": row.saved_usd}


def _cells(row: "SavingsRow") -> list[str]:
    one = row.alternative
    share = f"{100 * row.saved_usd / row.cost_usd:.1f}" if row.cost_usd else ""
    amounts = [f"{amount:,.6f}" for amount in (row.cost_usd, row.would_cost_usd, row.saved_usd)]
    nothing = not row.compared_calls
    return [
        f"{one.provider}/{one.model}" + (f" {one.service_tier}" if one.service_tier else ""),
        *(str(value) if value != "" else "-" for value in row.group.values()),
        f"{row.calls:,}",
        f"{row.compared_calls:,}",
        *(["unknown"] * 3 if nothing else amounts),
        "" if nothing else share,
        f"{row.unpriceable_calls:,}",
        f"{row.unpriced_calls:,}",
    ]
