"""`tokentrail budgets`: what may be spent, what is, and what the month will have cost."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tokentrail.cli.moments import parse_as_of
from tokentrail.cli.output import JsonFlag, out, print_json, print_table

if TYPE_CHECKING:
    from tokentrail.processors.budget_status import BudgetStatus
    from tokentrail.schemas.budgets import BudgetFile

app = typer.Typer(no_args_is_help=True, help="What may be spent, what is, and what the month will have cost.")
_File = Annotated[Path | None, typer.Option("--file", help="A budget file, in place of the setting `budgets`.")]
_At = Annotated[str | None, typer.Option(help="As of this moment: 24h, or an ISO time; without it, now.")]
_NUMBERS = ("limit USD", "spent USD", "used", "remaining USD", "forecast USD", "80 % range USD", "unpriced calls")


@app.command()
def show(file: _File = None, at: _At = None, as_json: JsonFlag = False) -> None:
    """Show what each budget has spent this month, what is left, and the forecast to the month's end."""
    found = _read(file, at)
    if as_json:
        print_json([_document(each) for each in found])
    elif found:
        print_table(f"Budgets of {found[0].month}", ("budget", *_NUMBERS, "state"), map(_cells, found), _NUMBERS)
    else:
        out.print("There are no budgets: name a file of [[budget]] tables in the setting `budgets`.", markup=False)


@app.command()
def check(file: _File = None, at: _At = None, as_json: JsonFlag = False) -> None:
    """Tell which budgets have reached a threshold or will be over, and whom to tell. Exit status 1 if there is one."""
    alarming = [each for each in _read(file, at) if each.reached or each.burning]
    if as_json:
        print_json([_document(each) for each in alarming])
    for each in alarming if not as_json else ():
        told = f" Tell {', '.join(each.recipients)}." if each.recipients else ""
        forecast = each.forecast.expected_usd
        ahead = f", and will have spent {forecast:,.2f} by the end of the month" if forecast is not None else ""
        out.print(
            f"{each.name}: {each.state}. It has spent {each.spent_usd:,.2f} of {each.limit_usd:,.2f} USD "
            f"({each.used:.0%}) in {each.month}{ahead}.{told}",
            markup=False,
            soft_wrap=True,
        )
    if not alarming and not as_json:
        out.print("Every budget is within its limit and its thresholds.")
    if alarming:
        raise typer.Exit(1)


@app.command()
def rules(file: _File = None, as_json: JsonFlag = False) -> None:
    """Show the detection rules that follow from the budgets, and which budgets none can watch."""
    from tokentrail.processors.budget_rules import budget_rules, is_watchable
    from tokentrail.processors.rule_explanation import describe_condition, name_entities

    budgets = _file(file).budget
    made = budget_rules(budgets)
    if as_json:
        print_json(made)
        return
    rows = [(rule.name, rule.severity.value, name_entities(rule), describe_condition(rule)) for rule in made]
    print_table("", ("rule", "severity", "by", "fires when"), rows)
    for budget in budgets:
        if not is_watchable(budget):
            out.print(
                f"{budget.name}: not watched live, as calls do not say it themselves; run `tokentrail budgets check` "
                "by a timer.",
                markup=False,
                soft_wrap=True,
            )


def _read(file: Path | None, at: str | None) -> "list[BudgetStatus]":
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.budget_spend import read_budgets

    budgets = _file(file).budget
    now = parse_as_of(at)
    return read_budgets(current_settings(), budgets, now) if budgets else []


def _file(file: Path | None) -> "BudgetFile":
    from tokentrail.processors.budget_file import load_budget_file
    from tokentrail.settings import current_settings

    return load_budget_file(file or current_settings().budgets)


def _cells(each: "BudgetStatus") -> tuple[str, ...]:
    forecast = each.forecast
    spread = "-" if forecast.low_usd is None else f"{forecast.low_usd:,.2f} to {_usd(forecast.high_usd)}"
    return (
        each.name, _usd(each.limit_usd), _usd(each.spent_usd), f"{each.used:.1%}", _usd(each.remaining_usd),
        _usd(forecast.expected_usd), spread, f"{each.unpriced_calls:,}", each.state,
    )  # fmt: skip


def _usd(amount: Decimal | None) -> str:
    return "-" if amount is None else f"{amount:,.2f}"


def _document(each: "BudgetStatus") -> dict[str, Any]:
    import msgspec

    return {**msgspec.structs.asdict(each), "state": each.state}
