import io
from decimal import Decimal

from rich.console import Console

from tokentrail.compose.demo.cost_table import tabulate_costs
from tokentrail.sinks.clickhouse.cost_query import CostRow


def row(model: str, cost_usd: str | None) -> CostRow:
    group = {"department": "Customer Support", "model": model}
    cost = None if cost_usd is None else Decimal(cost_usd)
    return CostRow(group, 4_458, 262, 36_022_715, 642_285, cost, 0)


def draw(rows: list[CostRow]) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(tabulate_costs(rows))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]  # a StringIO


def test_the_table_fits_eighty_columns_without_cutting_a_name() -> None:
    screen = draw([row("claude-sonnet-4-5", "27.71"), row("gpt-4.1", "12.30")])
    assert "Customer Support" in screen
    assert "claude-sonnet-4-5" in screen
    assert "40.01" in screen


def test_a_cost_that_is_not_known_is_not_shown_as_nothing() -> None:
    assert "unknown" in draw([row("house-model", None)])
