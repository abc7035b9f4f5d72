"""`tokentrail reconcile`: the ledger against a provider's invoice."""

from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.moments import parse_moment
from tokentrail.cli.output import JsonFlag, out, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tokentrail.processors.invoices import Invoice
    from tokentrail.processors.reconciliation import Comparison, Reconciliation, Statement

_NUMBERS = ("input here", "input there", "output here", "output there", "USD here", "USD there", "difference")


class InvoiceFormat(StrEnum):
    """Whose export an invoice is."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GENERIC = "generic"


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise typer.BadParameter(f"{text!r} is no amount; write for instance 0.01.")
    return amount


def reconcile(  # noqa: PLR0913 - each is an option of its own
    invoice: Annotated[
        Path, typer.Argument(help="A CSV: a usage or cost export of OpenAI or Anthropic, or any other.")
    ],
    *,
    format_: Annotated[
        InvoiceFormat | None, typer.Option("--format", help="Told by its columns without it; generic needs --map.")
    ] = None,
    columns: Annotated[Path | None, typer.Option("--map", help="A TOML file: which column says what.")] = None,
    since: Annotated[str | None, typer.Option(help="First day; the invoice's first without it.")] = None,
    until: Annotated[str | None, typer.Option(help="The day after the last; the invoice's without it.")] = None,
    provider: Annotated[
        list[str] | None, typer.Option(help="Calls to this provider; may be repeated. The export's own without it.")
    ] = None,
    tolerance_usd: Annotated[str, typer.Option(help="What is no difference, for a day and model.")] = "0.01",
    tolerance_percent: Annotated[str, typer.Option(help="Likewise, of tokens and amounts of the invoice.")] = "0",
    show_all: Annotated[bool, typer.Option("--all", help="Show what is matched too.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare the ledger with an invoice, by UTC day and model. Exit status 0 if all is matched, 1 if not."""
    from tokentrail.processors.invoice_columns import plain_model_name, read_columns
    from tokentrail.processors.invoices import read_invoice
    from tokentrail.processors.reconciliation import Tolerance, without_models
    from tokentrail.processors.reconciliation import reconcile as compare
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.billed_days import read_billed_days

    if (format_ is InvoiceFormat.GENERIC) != (columns is not None):
        raise typer.BadParameter("--format generic and --map FILE go together.")
    tolerance = Tolerance(usd=_amount(tolerance_usd), percent=_amount(tolerance_percent))
    read = read_invoice(invoice, format_.value if format_ else None, read_columns(columns) if columns else None)
    first, end = _period(read, since, until)
    there = [one for one in read.statements if first <= one.day < end]
    providers = provider or ([read.export.provider] if read.export else [])
    here = read_billed_days(current_settings(), first, end, providers)
    if not read.tells_models:
        here = without_models(here)
    shown_names = read.export is not None and read.export.display_names
    name_model: Callable[[str], str] = plain_model_name if shown_names else str.casefold
    found = compare(here, there, tolerance, name_model)
    if as_json:
        print_json(_document(found, first, end))
    else:
        _print_comparisons(found, f"{invoice.name}, {first} to {end - timedelta(days=1)}", show_all=show_all)
        _print_hint(found, first, end, providers)
    if not found.reconciled:
        raise typer.Exit(1)


def _period(read: "Invoice", since: str | None, until: str | None) -> tuple[date, date]:
    days = [one.day for one in read.statements]
    first = parse_moment(since).date() if since else min(days)
    end = parse_moment(until).date() if until else max(days) + timedelta(days=1)
    if first >= end:
        raise typer.BadParameter(f"--until {end} is not after {first}.")
    return first, end


def _document(found: "Reconciliation", first: date, end: date) -> dict[str, object]:
    return {
        "since": first,
        "until": end,
        "reconciled": found.reconciled,
        "counts": found.counts(),
        "here": found.here,
        "there": found.there,
        "comparisons": found.comparisons,
    }


def _print_comparisons(found: "Reconciliation", title: str, *, show_all: bool) -> None:
    rows = [_cells(one) for one in found.comparisons if show_all or one.verdict != "matched"]
    if rows:
        rows.append(["", "all of it", "", *_amounts(found.here, found.there)])
        columns = ("day", "model", "verdict", *_NUMBERS)
        told = [at for at in range(len(columns)) if any(row[at] for row in rows)]
        print_table(title, [columns[at] for at in told], [[row[at] for at in told] for row in rows], _NUMBERS)
    counts = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in found.counts().items() if count)
    out.print(f"{'Reconciled' if found.reconciled else 'NOT reconciled'}: {counts or 'nothing to compare'}.")


def _print_hint(found: "Reconciliation", first: date, end: date, providers: "Sequence[str]") -> None:
    from tokentrail.processors.unpriced import unpriced_hint

    options = ["--since", f"{first}", "--until", f"{end}"]
    for name in providers:
        options += ["--provider", name]
    if found.here.unpriced_calls:
        out.print(unpriced_hint(found.here.unpriced_calls, options), markup=False, soft_wrap=True)


def _cells(one: "Comparison") -> list[str]:
    return [f"{one.day}", one.model, one.verdict.replace("_", " "), *_amounts(one.here, one.there)]


def _amounts(here: "Statement | None", there: "Statement | None") -> list[str]:
    cells: list[str] = []
    for name in ("input_tokens", "output_tokens"):
        cells += [_count(getattr(here, name, None)), _count(getattr(there, name, None))]
    ours, theirs = getattr(here, "cost_usd", None), getattr(there, "cost_usd", None)
    cells += [_usd(ours), _usd(theirs)]
    known = ours is not None or theirs is not None
    both_told = here is None or there is None or (ours is not None and theirs is not None)
    return [*cells, _usd((ours or Decimal(0)) - (theirs or Decimal(0))) if known and both_told else ""]


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _usd(value: Decimal | None) -> str:
    return "" if value is None else f"{value:,.6f}"
