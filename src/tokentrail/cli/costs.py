"""`tokentrail costs`: who spent what."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.moments import none_found, parse_period
from tokentrail.cli.output import JsonFlag, out, print_json, print_table
from tokentrail.cli.split_costs import show_split_costs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokentrail.sinks.clickhouse.cost_query import CostRow

_NUMBERS = ("calls", "errors", "input tokens", "output tokens", "cost USD", "unpriced calls")


def costs(  # noqa: PLR0913 - each is an option of its own
    *,
    by: Annotated[
        str,
        typer.Option(
            help="department, team, feature, user, key, model, provider, service, environment, day, hour; by commas. "
            "Names of an event's fields do as well: user_id, api_key_id, request_model, response_model, session_id, "
            "request_source, operation, status."
        ),
    ] = "department,model",
    since: Annotated[str, typer.Option(help="Calls since then: 90m, 24h, 7d, or an ISO time.")] = "24h",
    until: Annotated[str | None, typer.Option(help="Calls before then; without it, up to now.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="Only these calls, e.g. user=alice; may be repeated.")] = None,
    mapped: Annotated[
        bool, typer.Option("--mapped", help="Department, team and cost centre as `tokentrail mappings` says.")
    ] = False,
    charged: Annotated[
        bool, typer.Option("--charged", help="Beside the cost what departments are charged: the price list's mark-ups.")
    ] = False,
    split: Annotated[
        bool, typer.Option("--split", help="Hand shared cost on by the [[split]] of your budgets.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show what calls cost, the dearest group first. Calls without a known price are counted, never guessed."""
    from tokentrail.processors.price_sources import read_markups
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.cost_query import CostQuery, read_costs

    if split and charged:
        raise typer.BadParameter("--split and --charged exclude each other: mark-ups are of a call's own department.")
    begin, end = parse_period(since, until)
    query = CostQuery(
        by=tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip())),
        since=begin,
        until=end,
        filters=dict(parse_filter(text) for text in where or ()),
        mapped=mapped,
        markups=read_markups(current_settings()) if charged else None,
    )
    rows = read_costs(current_settings(), query)
    if split:
        show_split_costs(rows, f"Costs since {since}, split", as_json=as_json)
    elif as_json:
        added = [{"charged_usd": row.charged_usd} if charged else {} for row in rows]
        print_json([{**row.group, **_measures(row), **more} for row, more in zip(rows, added, strict=True)])
    elif rows and rows[0].calls:
        title = f"Costs since {since}" + (f" until {until}" if until else "")
        numbers = (*_NUMBERS, "charged USD") if charged else _NUMBERS
        print_table(title, (*query.by, *numbers), [_cells(row, charged=charged) for row in rows], numbers)
    else:
        out.print(none_found("such calls" if where else "calls", since, until), markup=False, soft_wrap=True)
    if not as_json:
        _print_hint(sum(row.unpriced_calls for row in rows), since, until, where or (), mapped=mapped)


def parse_filter(text: str) -> tuple[str, str]:
    """Return name and value of `name=value`.

    Raises:
        typer.BadParameter: there is no equals sign.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is no filter; write for instance user=alice.")
    return name.strip(), value


def _print_hint(calls: int, since: str, until: str | None, where: "Sequence[str]", *, mapped: bool) -> None:
    from tokentrail.processors.unpriced import unpriced_hint

    options = ["--since", since, *(["--until", until] if until else []), *(["--mapped"] if mapped else [])]
    for text in where:
        options += ["--where", text]
    if calls:
        out.print(unpriced_hint(calls, options), markup=False, soft_wrap=True)


def _measures(row: "CostRow") -> dict[str, int | Decimal | None]:
    from tokentrail.sinks.clickhouse.cost_query import MEASURES

    return {name: getattr(row, name) for name in MEASURES}


def _cells(row: "CostRow", *, charged: bool) -> list[str]:
    counts = (row.calls, row.errors, row.input_tokens, row.output_tokens)
    group = [str(value) if value != "" else "-" for value in row.group.values()]
    cells = [*group, *(f"{count:,}" for count in counts), _amount(row.cost_usd), f"{row.unpriced_calls:,}"]
    return [*cells, _amount(row.charged_usd)] if charged else cells


def _amount(usd: Decimal | None) -> str:
    return "unknown" if usd is None else f"{usd:,.6f}"
