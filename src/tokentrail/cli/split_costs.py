"""`tokentrail costs --split`: costs after shared ones were handed on."""

from decimal import Decimal
from typing import TYPE_CHECKING

from tokentrail.cli.output import out, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokentrail.processors.cost_split import SpendRow
    from tokentrail.sinks.clickhouse.cost_query import CostRow

_NUMBERS = ("calls", "direct USD", "handed on USD", "cost USD")


def show_split_costs(rows: "Sequence[CostRow]", title: str, *, as_json: bool) -> None:
    """Print rows of costs after the splits of the budget file; the dearest group first, the sum is the same.

    Raises:
        AttributionError: there is no split, or none of what the rows are grouped by.
    """
    found = _split(rows)
    if as_json:
        print_json([{**row.group, "calls": row.calls, **_money(row)} for row in found])
    elif not found:
        out.print("No calls.")
    else:
        table = [
            (*(str(value) or "-" for value in row.group.values()), f"{row.calls:,}", *map(_usd, _money(row).values()))
            for row in found
        ]
        print_table(title, (*found[0].group, *_NUMBERS), table, _NUMBERS)


def _split(rows: "Sequence[CostRow]") -> "list[SpendRow]":
    from tokentrail.errors import AttributionError
    from tokentrail.processors.budget_file import load_budget_file
    from tokentrail.processors.cost_split import SpendRow, split_costs
    from tokentrail.processors.mappings import SHORT_NAMES
    from tokentrail.settings import current_settings

    splits = load_budget_file(current_settings().budgets).split
    direct = [
        SpendRow(
            group={SHORT_NAMES.get(name, name): value for name, value in row.group.items()},
            calls=row.calls,
            direct_usd=row.cost_usd,
            cost_usd=row.cost_usd,
        )
        for row in rows
    ]
    dimensions = sorted({name for split in splits for name in split.of})
    if direct and not set(dimensions) & set(direct[0].group):
        raise AttributionError(
            f"No cost is split here: the budget file has splits of {', '.join(dimensions) or 'nothing'}; ask --by that."
        )
    return sorted(split_costs(direct, splits), key=lambda row: -(row.cost_usd or 0))


def _money(row: "SpendRow") -> dict[str, Decimal | None]:
    handed = (row.cost_usd or Decimal(0)) - (row.direct_usd or Decimal(0))
    return {"direct_usd": row.direct_usd, "handed_usd": handed, "cost_usd": row.cost_usd}


def _usd(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:,.6f}"
