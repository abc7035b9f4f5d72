"""`tokentrail prices explain`: how the cost of a call came about."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from tokentrail.cli.output import JsonFlag, out, print_json, print_table

if TYPE_CHECKING:
    from tokentrail.processors.cost_explanation import CostExplanation
    from tokentrail.processors.pricing import Rates
    from tokentrail.sinks.clickhouse.priced_calls import PricedCall

_NUMBERS = ("tokens", "listed rate", "USD per million", "amount USD")


def explain(
    call_id: Annotated[str, typer.Argument(help="The call's id, as in calls.call_id.")], as_json: JsonFlag = False
) -> None:
    """Show how a call's cost came about, to the last digit. Exit status 1 if it is not what the ledger holds."""
    from tokentrail.processors.cost_explanation import explain_cost
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.priced_calls import read_priced_calls

    call_id = call_id.strip()
    calls = read_priced_calls(current_settings(), call_id)
    if not calls:
        raise typer.BadParameter(f"The ledger has no completed call {call_id}.")
    told = [explain_cost(call.usage, call.rates) for call in calls]
    agrees = [_agrees(call, one) for call, one in zip(calls, told, strict=True)]
    if as_json:
        print_json([_document(*one) for one in zip(calls, told, agrees, strict=True)])
    else:
        for call, one, agreed in zip(calls, told, agrees, strict=True):
            _print_call(call, one, agreed=agreed)
    if not all(agrees):
        raise typer.Exit(1)


def _agrees(call: "PricedCall", told: "CostExplanation") -> bool:
    held = (call.input_cost, call.output_cost, call.cost_usd)
    return held == (told.input_cost, told.output_cost, told.cost_usd)


def _document(call: "PricedCall", told: "CostExplanation", agrees: bool) -> dict[str, Any]:  # noqa: FBT001  # zipped
    return {**msgspec.structs.asdict(call), "explanation": told, "agrees": agrees}


def _print_call(call: "PricedCall", told: "CostExplanation", *, agreed: bool) -> None:
    about = [
        ("call", f"{call.call_id}, {call.status}, {call.time:%Y-%m-%d %H:%M:%S} UTC"),
        ("asked by", ", ".join(filter(None, (call.department, call.service))) or "-"),
        ("model", f"{call.provider or '-'} {call.model or '-'}"),
        ("service tier", call.service_tier or "ordinary"),
        ("usage from", call.usage_source),
        *_about_rates(call.rates),
    ]
    print_table("", ("", "how this cost came about"), about)
    if told.lines:
        rows = [
            (
                line.part.replace("_", " "),
                "" if line.tokens is None else f"{line.tokens:,}",
                _digits(line.listed_rate),
                _digits(line.rate_usd),
                f"{line.amount_usd:f}",
            )
            for line in told.lines
        ]
        listed = call.rates is not None and call.rates.listing is not None
        numbers = _NUMBERS if listed else tuple(name for name in _NUMBERS if name != "listed rate")
        kept = [row if listed else (row[0], row[1], *row[3:]) for row in rows]
        total = ("cost", "", *([""] if listed else []), "", f"{told.cost_usd:f}")
        print_table("", ("part", *numbers), [*kept, total], numbers)
    else:
        out.print(f"No cost is known. {told.fault or 'It used no tokens.'}", soft_wrap=True)
    _print_corrections(call)
    held = "no cost" if call.cost_usd is None else f"{call.cost_usd:f} USD"
    out.print(f"The ledger holds {held}: {'the same' if agreed else 'NOT what the rates make'}.", soft_wrap=True)


def _about_rates(rates: "Rates | None") -> list[tuple[str, str]]:
    if rates is None:
        return [("price", "not known")]
    about = [
        ("price", f"{rates.price_source} {rates.price_version}: {rates.provider} {rates.model}"),
        ("rates", f"{rates.rate_id}" + (f", tier {rates.service_tier}" if rates.service_tier else "")),
    ]
    if rates.above_input_tokens:
        about.append(("long context", f"more than {rates.above_input_tokens:,} tokens of input"))
    if rates.listing is not None:
        listing = rates.listing
        if (listing.price_source, listing.price_version) != (rates.price_source, rates.price_version):
            about.append(("listed by", f"{listing.price_source} {listing.price_version}"))
        if listing.currency != rates.currency:
            about.append(("currency", f"1 {listing.currency} = {_digits(listing.exchange_rate)} {rates.currency}"))
        if listing.discount_percent:
            about.append(("discount", f"{_digits(listing.discount_percent)}%"))
    return about


def _print_corrections(call: "PricedCall") -> None:
    if not call.corrections:
        return
    rows = [
        (
            f"{one.corrected_at:%Y-%m-%d %H:%M:%S}",
            _digits(one.old_cost_usd) or "unknown",
            _digits(one.new_cost_usd) or "unknown",
            f"{one.rates.price_source} {one.rates.price_version}" if one.rates else "not known",
            one.reason,
        )
        for one in call.corrections
    ]
    print_table("Corrections; the last one holds", ("at UTC", "from USD", "to USD", "price", "reason"), rows)


def _digits(value: Decimal | None) -> str:
    return "" if value is None else f"{value.normalize():f}"
