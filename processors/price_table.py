"""Prices as a person looks them up: the entries of the own list, and what listed models cost by both sources. Pure."""

from collections.abc import Iterator
from datetime import date

import msgspec

from tokentrail.processors.name_pattern import NamePattern
from tokentrail.processors.price_file import PriceEntry
from tokentrail.processors.pricing import DayTariffs, PriceSource, Rates
from tokentrail.processors.pricing_list import PriceList
from tokentrail.processors.pricing_public import PublicPrices


class ShownPrice(msgspec.Struct, frozen=True, kw_only=True):
    """Rates of a provider's model, as the calls name them or as a pattern of the own list does."""

    provider: str
    model: str
    service_tier: str
    from_second_of_day: int
    rates: Rates


class PriceQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which prices: by name or pattern, on a UTC day."""

    provider: str = "*"
    model: str = "*"
    service_tier: str = ""
    day: date

    @property
    def names_one_model(self) -> bool:
        """Whether it is about one provider's one model, as a call is."""
        return not any(sign in self.provider + self.model for sign in "*?")


def find_prices(question: PriceQuestion, own: PriceList | None, public: PublicPrices) -> list[ShownPrice]:
    """Return what a call would be priced at: one model's rates, or the entries and models that fit the patterns.

    Of the public prices, which are thousands, only models that a name or a pattern asks for.
    """
    sources: tuple[PriceSource, ...] = (public,) if own is None else (own, public)
    if question.names_one_model:
        return list(_shown(question, question.provider, question.model, sources))
    provider, model = NamePattern(question.provider), NamePattern(question.model)
    found: list[ShownPrice] = []
    for offer in own.offers if own else ():
        entry = offer.entry
        in_force = entry.since <= question.day < entry.until and not entry.only_discounts
        if in_force and offer.provider.meets(provider) and offer.model.meets(model):
            tariffs = own.listed_tariffs(entry, question.day) if own else ()
            found += _rows(entry.provider, entry.model, entry.service_tier or "", tariffs)
    asked = {question.provider, question.model} != {"*"}
    for seller, sold in public.models() if asked else ():
        if provider.matches(seller) and model.matches(sold):
            found += _shown(question, seller, sold, sources)
    return found


def find_discounts(question: PriceQuestion, own: PriceList | None) -> list[PriceEntry]:
    """Return the own list's entries without rates of their own that fit the patterns."""
    provider, model = NamePattern(question.provider), NamePattern(question.model)
    return [
        offer.entry
        for offer in (own.offers if own else ())
        if offer.entry.only_discounts
        and offer.entry.since <= question.day < offer.entry.until
        and offer.provider.meets(provider)
        and offer.model.meets(model)
    ]


def _shown(
    question: PriceQuestion, provider: str, model: str, sources: tuple[PriceSource, ...]
) -> Iterator[ShownPrice]:
    for source in sources:
        tariffs = source.tariffs(provider, model, question.service_tier, question.day)
        if tariffs is not None:
            yield from _rows(provider, model, question.service_tier, tariffs)
            return


def _rows(provider: str, model: str, service_tier: str, tariffs: DayTariffs) -> Iterator[ShownPrice]:
    for tariff in tariffs:
        for rates in (tariff.rates, *(step.rates for step in tariff.long_context)):
            yield ShownPrice(
                provider=provider,
                model=model,
                service_tier=service_tier,
                from_second_of_day=tariff.from_second_of_day,
                rates=rates,
            )
