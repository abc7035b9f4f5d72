"""Rates as rows of `model_rates`, there and back."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from tokentrail.processors.pricing import Listing, Rates

_OWN: Final = (
    "rate_id", "price_source", "price_version", "currency", "provider", "model", "service_tier", "input", "cache_read",
    "cache_write_5m", "cache_write_1h", "input_audio", "output", "output_audio", "reasoning", "request",
    "cached_audio_apart", "above_input_tokens",
)  # fmt: skip
RATE_COLUMNS: Final = (
    *_OWN, "listed_source", "listed_version", "listed_currency", "exchange_rate", "discount_percent", "listed_rates",
)  # fmt: skip
"""The columns of `model_rates`, in the order of `rate_row`."""


def rate_row(rates: Rates) -> list[Any]:
    """Return the row that says these rates."""
    own = [getattr(rates, column) for column in _OWN]
    listing = rates.listing
    if listing is None:
        return [*own, "", "", "", Decimal(1), Decimal(0), {}]
    return [
        *own, listing.price_source, listing.price_version, listing.currency, listing.exchange_rate,
        listing.discount_percent, listing.rates,
    ]  # fmt: skip


def rates_of_row(row: Mapping[str, Any]) -> Rates:
    """Return the rates that a row says, under the row's own `rate_id`."""
    listing = None
    if row["listed_source"]:
        listing = Listing(
            price_source=row["listed_source"],
            price_version=row["listed_version"],
            currency=row["listed_currency"],
            exchange_rate=row["exchange_rate"],
            discount_percent=row["discount_percent"],
            rates=dict(row["listed_rates"]),
        )
    rates = Rates(**{column: row[column] for column in _OWN if column != "rate_id"}, listing=listing)
    # The database pads a rate to nine digits, which the id's own arithmetic would take for another rate.
    msgspec.structs.force_setattr(rates, "rate_id", row["rate_id"])
    return rates
