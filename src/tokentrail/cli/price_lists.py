"""`tokentrail prices show|check|example`: what price lists say."""

from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.output import JsonFlag, out, print_json, print_table

if TYPE_CHECKING:
    from tokentrail.processors.price_file import PriceFile
    from tokentrail.processors.price_table import ShownPrice

_RATES = (
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output", "output_audio", "reasoning",
)  # fmt: skip


def show(
    provider: Annotated[str, typer.Option(help="A provider; * and ? are wildcards.")] = "*",
    model: Annotated[str, typer.Option(help="A model; * and ? are wildcards.")] = "*",
    tier: Annotated[str, typer.Option(help="A service tier, e.g. batch or priority; the ordinary one without.")] = "",
    at: Annotated[str | None, typer.Option(metavar="DAY", help="On this UTC day; today without it.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what tokens cost, in USD per million: the own list's entries, and with a name the public prices too."""
    from tokentrail.processors.price_table import PriceQuestion, find_discounts, find_prices
    from tokentrail.processors.pricing_list import load_price_list
    from tokentrail.processors.pricing_public import PublicPrices
    from tokentrail.settings import current_settings

    path, public = current_settings().prices, PublicPrices()
    own = load_price_list(path, public) if path else None
    question = PriceQuestion(provider=provider, model=model, service_tier=tier, day=_day(at))
    found = find_prices(question, own, public)
    everything = provider == "*" and model == "*"
    if as_json:
        print_json(found)
        return
    if found:
        _print_prices(f"Prices on {question.day}, USD per million tokens", found)
    elif not everything:
        where = f"{provider} {model}{f' in tier {tier}' if tier else ''}"
        out.print(f"No price is known for {where} on {question.day}.", markup=False, soft_wrap=True)
    for entry in find_discounts(question, own) if everything or not question.names_one_model else ():
        off = f"{_money(entry.discount_percent)}% off {entry.of or 'what would be the price without this'}"
        out.print(f"{entry.provider} {entry.model}: {off}.", markup=False, soft_wrap=True)
    if everything:
        sold = list(public.models())
        where = f"{len({seller for seller, _ in sold})} providers"
        told = f"{len(sold):,} models of {where} have public prices; --provider and --model show them."
        out.print(told, soft_wrap=True)
    if not found and not everything:
        raise typer.Exit(1)


def check(
    file: Annotated[
        Path | None, typer.Argument(help="A price list; without it, the one of the setting `prices`.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check a price list: faults, entries that nothing reaches, and overlaps. Exit status 1 but for overlaps alone."""
    from tokentrail.processors.price_file import read_price_file
    from tokentrail.processors.price_list_check import find_oddities
    from tokentrail.settings import current_settings

    path = file or current_settings().prices
    if path is None:
        raise typer.BadParameter("Name a file; the setting `prices` names none.")
    content = read_price_file(path)
    oddities = find_oddities(content)
    if as_json:
        print_json({"file": str(path), **_counts(content), "oddities": oddities})
    else:
        counted = ", ".join(f"{count} {name}" for name, count in _counts(content).items() if isinstance(count, int))
        out.print(f"{path}: version {content.version}, {counted}.", markup=False, soft_wrap=True)
        for oddity in oddities:
            out.print(f"{oddity.kind}: {oddity}", markup=False, soft_wrap=True)
    if any(oddity.kind != "overlap" for oddity in oddities):
        raise typer.Exit(1)


def example() -> None:
    """Print a price list to start from: four models, as a relay publishes them; check them against your contract."""
    out.file.write((files("tokentrail.processors") / "price_examples" / "holysheep.toml").read_text(encoding="utf-8"))


def _counts(content: "PriceFile") -> dict[str, int | str]:
    return {
        "version": content.version,
        "prices": len(content.prices),
        "exchange rates": len(content.exchanges),
        "mark-ups": len(content.markups),
    }


def _day(text: str | None) -> date:
    try:
        return date.fromisoformat(text) if text else datetime.now(UTC).date()
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day; write for instance 2026-11-21.") from error


def _print_prices(title: str, found: "list[ShownPrice]") -> None:
    told = [name for name in _RATES if any(getattr(price.rates, name) is not None for price in found)]
    optional = {
        "tier": [price.service_tier for price in found],
        "input above": [f"{above:,}" if (above := price.rates.above_input_tokens) else "" for price in found],
        "from UTC": [_clock(price.from_second_of_day) for price in found],
        "per 1000 requests": [_money(price.rates.request / 1000) if price.rates.request else "" for price in found],
        "discount": [_discount(price) for price in found],
        "listed in": [_listed_in(price) for price in found],
    }
    shown = {name: cells for name, cells in optional.items() if any(cells)}
    headings = [name.replace("_", " ") for name in told]
    rows = [
        (
            price.provider,
            price.model,
            *(cells[at] for cells in shown.values()),
            *(_money(getattr(price.rates, name)) for name in told),
            f"{price.rates.price_source} {price.rates.price_version}",
        )
        for at, price in enumerate(found)
    ]
    print_table(title, ("provider", "model", *shown, *headings, "source"), rows, (*shown, *headings))


def _discount(price: "ShownPrice") -> str:
    listing = price.rates.listing
    return f"{_money(listing.discount_percent)}%" if listing and listing.discount_percent else ""


def _listed_in(price: "ShownPrice") -> str:
    listing = price.rates.listing
    return listing.currency if listing and listing.currency != price.rates.currency else ""


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second % 3600 // 60:02}" if second else ""


def _money(rate: Decimal | None) -> str:
    return "" if rate is None else f"{rate.normalize():f}"
