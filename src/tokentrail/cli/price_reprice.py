"""`tokentrail prices reprice`: price past calls again; what was there before stays visible."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.moments import parse_period
from tokentrail.cli.output import JsonFlag, out, print_json, print_table

if TYPE_CHECKING:
    from tokentrail.sinks.clickhouse.repricing import Difference

_NUMBERS = ("calls", "old USD", "new USD", "difference USD")


def reprice(  # noqa: PLR0913, PLR0917  # the options of a command
    since: Annotated[str, typer.Option(help="Calls since then: 90m, 24h, 7d, or an ISO time.")],
    until: Annotated[str | None, typer.Option(help="Calls before then; without it, up to now.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Only these calls, e.g. model=gpt-4o; may be repeated.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with each correction.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Price the calls of a period again with the present prices. Differences are appended as corrections.

    May be killed and repeated: a call whose cost is right already has no further correction.
    """
    from tokentrail.processors.price_sources import open_price_book
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.cost_query import CostQuery
    from tokentrail.sinks.clickhouse.repricing import reprice

    filters = dict(_filter(text) for text in where or ())
    begin, end = parse_period(since, until)
    query = CostQuery(since=begin, until=end, filters=filters)
    settings = current_settings()
    found = reprice(settings, query, open_price_book(settings), reason=reason, dry_run=dry_run)
    total = sum((one.delta_usd for one in found.differences), Decimal(0))
    if as_json:
        print_json(
            {
                "run_id": found.run_id,
                "dry_run": dry_run,
                "delta_usd": total,
                "repaired_days": found.repaired_days,
                "differences": [{**_fields(one), "delta_usd": one.delta_usd} for one in found.differences],
            }
        )
        return
    if not found.differences:
        out.print(f"Every call since {since} costs what the present prices say.")
        return
    title = f"{'Would change' if dry_run else 'Changed'} since {since}: {total:+,.6f} USD"
    print_table(title, ("day", "model", *_NUMBERS), [_cells(one) for one in found.differences], _NUMBERS)


def _filter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is no filter; write for instance model=gpt-4o.")
    return name.strip(), value


def _fields(one: "Difference") -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def _cells(one: "Difference") -> list[str]:
    return [
        str(one.day),
        one.model,
        f"{one.calls:,}",
        _usd(one.old_cost_usd),
        _usd(one.new_cost_usd),
        f"{one.delta_usd:+,.6f}",
    ]


def _usd(cost: Decimal | None) -> str:
    return "unknown" if cost is None else f"{cost:,.6f}"
