"""`tokentrail costs`: who spent what."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.moments import parse_moment
from tokentrail.cli.output import JsonFlag, out, print_json, print_table

if TYPE_CHECKING:
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
    as_json: JsonFlag = False,
) -> None:
    """Show what calls cost, the dearest group first. Calls without a known price are counted, never guessed."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.cost_query import CostQuery, read_costs

    query = CostQuery(
        by=tuple(dict.fromkeys(name.strip() for name in by.split(",") if name.strip())),
        since=parse_moment(since),
        until=parse_moment(until) if until else None,
        filters=dict(_filter(text) for text in where or ()),
        mapped=mapped,
    )
    rows = read_costs(current_settings(), query)
    if as_json:
        print_json([{**row.group, **_measures(row)} for row in rows])
    elif rows and rows[0].calls:
        title = f"Costs since {since}" + (f" until {until}" if until else "")
        print_table(title, (*query.by, *_NUMBERS), [_cells(row) for row in rows], _NUMBERS)
    else:
        out.print(f"No calls since {since}.")


def _filter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is no filter; write for instance user=alice.")
    return name.strip(), value


def _measures(row: "CostRow") -> dict[str, int | Decimal | None]:
    from tokentrail.sinks.clickhouse.cost_query import MEASURES

    return {name: getattr(row, name) for name in MEASURES}


def _cells(row: "CostRow") -> list[str]:
    counts = (row.calls, row.errors, row.input_tokens, row.output_tokens)
    cost = "unknown" if row.cost_usd is None else f"{row.cost_usd:,.6f}"
    group = [str(value) if value != "" else "-" for value in row.group.values()]
    return [*group, *(f"{count:,}" for count in counts), cost, f"{row.unpriced_calls:,}"]
