"""The user's own price list: a relay's prices, a negotiated contract. It goes before the public prices.

What may stand in the file is told in price_file.py.
"""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Final

import msgspec

from tokentrail.processors.name_pattern import NamePattern
from tokentrail.processors.price_file import RATE_DIGITS, TOKEN_RATES, USD, PriceEntry, PriceFile, read_price_file
from tokentrail.processors.pricing import DayTariffs, Listing, LongContext, PriceSource, Rates, Tariff

PRICE_SOURCE: Final = "price-list"
_REQUEST_DIGITS: Final = 3
"""Of USD per million requests: more would be less than the ledger's 1e-9 USD on one call."""
_HUNDRED: Final = Decimal(100)
_RATES: Final = (*TOKEN_RATES, "request")


class Offer:
    """An entry, ready to be asked."""

    def __init__(self, entry: PriceEntry) -> None:
        self.entry = entry
        self.provider = NamePattern(entry.provider)
        self.model = NamePattern(entry.model)

    def fits(self, provider: str, model: str, service_tier: str, day: date) -> bool:
        """Say whether the entry prices such a call."""
        entry = self.entry
        return (
            entry.since <= day < entry.until
            and entry.service_tier in (None, service_tier)
            and self.provider.matches(provider)
            and self.model.matches(model)
        )


class PriceList:
    """The entries of one price file, in the file's order; `beneath` is what discounts without rates apply to last."""

    def __init__(self, file: PriceFile, beneath: PriceSource | None = None) -> None:
        self.file = file
        self.offers = [Offer(entry) for entry in file.prices]
        self._beneath = beneath

    def tariffs(self, provider: str, model: str, service_tier: str, day: date) -> DayTariffs | None:
        """Return the tariffs of the first entry that fits; None where none does.

        A discount without rates of its own is taken off the next entry's rates, or the price beneath; discounts are
        not added up, the first that fits is the one. Empty where the price that it is taken off is not known.
        """
        found = [offer.entry for offer in self.offers if offer.fits(provider, model, service_tier, day)]
        if not found:
            return None
        first = found[0]
        if not first.only_discounts:
            return self.listed_tariffs(first, day)
        sold_by, _, sold_as = (first.of or provider).partition("/")
        after = self.offers[[offer.entry for offer in self.offers].index(first) + 1 :]
        for offer in after:
            if not offer.entry.only_discounts and offer.fits(sold_by, sold_as or model, service_tier, day):
                return self._listed(offer.entry, day, first.discount_percent)
        priced = self._beneath and self._beneath.tariffs(sold_by, sold_as or model, service_tier, day)
        return tuple(self._discounted(tariff, first) for tariff in priced or ())

    def listed_tariffs(self, entry: PriceEntry, day: date) -> DayTariffs:
        """Return what an entry with rates of its own says of a day."""
        return self._listed(entry, day, entry.discount_percent)

    def _listed(self, entry: PriceEntry, day: date, discount_percent: Decimal) -> DayTariffs:
        usd = self.file.usd_for(entry.currency, day)
        if usd is None:
            return ()
        blank = Rates(
            price_source=PRICE_SOURCE,
            price_version=self.file.version,
            provider=entry.provider,
            model=entry.model,
            service_tier=entry.service_tier or "",
        )
        listing = Listing(
            price_source=PRICE_SOURCE,
            price_version=self.file.version,
            currency=entry.currency,
            exchange_rate=usd,
            discount_percent=discount_percent,
        )
        written, steps = entry.rates(), []
        for step in entry.long_context:
            # Each step goes on from the one below: what it does not name stays as it was.
            written = {**written, **step.rates()}
            above = msgspec.structs.replace(blank, above_input_tokens=step.above_input_tokens)
            steps.append(LongContext(step.above_input_tokens, _applied(above, listing, written)))
        return (Tariff(_applied(blank, listing, entry.rates()), tuple(steps)),)

    def _discounted(self, tariff: Tariff, entry: PriceEntry) -> Tariff:
        return msgspec.structs.replace(
            tariff,
            rates=self._reduced(tariff.rates, entry),
            long_context=tuple(LongContext(above, self._reduced(rates, entry)) for above, rates in tariff.long_context),
        )

    def _reduced(self, rates: Rates, entry: PriceEntry) -> Rates:
        listing = Listing(
            price_source=rates.price_source,
            price_version=rates.price_version,
            discount_percent=entry.discount_percent,
        )
        listed = {name: rate for name in _RATES if (rate := getattr(rates, name)) is not None}
        own = msgspec.structs.replace(rates, price_source=PRICE_SOURCE, price_version=self.file.version)
        return _applied(own, listing, listed)


def load_price_list(path: Path, beneath: PriceSource | None = None) -> PriceList:
    """Read a price file; `beneath` is the source that it goes before.

    Raises:
        PriceListError: names the file, and the entry and field that is wrong.
    """
    return PriceList(read_price_file(path), beneath)


def _applied(blank: Rates, listing: Listing, listed: Mapping[str, Decimal]) -> Rates:
    """Return the rates in USD; with where they come from, unless they are as listed."""
    if listing.currency == USD and not listing.discount_percent:
        return msgspec.structs.replace(blank, **listed)
    rates = {name: _in_usd(name, rate, listing) for name, rate in listed.items()}
    # Zero is what a request costs without a word about it.
    told = {name: rate for name, rate in sorted(listed.items()) if name != "request" or rate}
    return msgspec.structs.replace(blank, **rates, listing=msgspec.structs.replace(listing, rates=told))


def _in_usd(name: str, rate: Decimal, listing: Listing) -> Decimal:
    exact = rate * listing.exchange_rate * (_HUNDRED - listing.discount_percent) / _HUNDRED
    digits = RATE_DIGITS if name in TOKEN_RATES else _REQUEST_DIGITS
    return exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP).normalize()
