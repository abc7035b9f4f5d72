"""Who spent what: the demo's costs by department and model."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from rich.table import Table

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.cost_query import CostQuery, CostRow, read_costs

BY: Final = ("department", "model")
_LOOK_BACK: Final = timedelta(hours=2)


def read_demo_costs(settings: Settings) -> list[CostRow]:
    """Ask the ledger for everything the demo did, the dearest first. Blocking.

    Raises:
        EngineError: the engine cannot be reached or refuses.
    """
    return read_costs(settings, CostQuery(by=BY, since=datetime.now(UTC) - _LOOK_BACK))


def tabulate_costs(rows: Sequence[CostRow]) -> Table:
    """Return the costs as a table with a sum at the end."""
    table = Table(title="Who spent what", title_justify="left", header_style="bold", show_footer=True)
    total_usd = sum((row.cost_usd or Decimal() for row in rows), Decimal())
    table.add_column("department", footer="all", no_wrap=True)
    table.add_column("model", no_wrap=True)
    table.add_column("calls", justify="right", footer=f"{sum(row.calls for row in rows):,}")
    table.add_column("errors", justify="right", footer=f"{sum(row.errors for row in rows):,}")
    table.add_column("tokens", justify="right", footer=f"{sum(map(_tokens, rows)):,}")
    table.add_column("USD", justify="right", footer=f"{total_usd:,.2f}")
    for row in rows:
        cost = "unknown" if row.cost_usd is None else f"{row.cost_usd:,.2f}"
        names = (str(row.group[name]) for name in BY)
        table.add_row(*names, f"{row.calls:,}", f"{row.errors:,}", f"{_tokens(row):,}", cost)
    return table


def _tokens(row: CostRow) -> int:
    return row.input_tokens + row.output_tokens
