"""Which rates the price book gives to the calls of a period, as rules that the ledger's engine can apply. Pure."""

from collections.abc import Iterable
from datetime import date
from typing import Final, NamedTuple

import msgspec

from tokentrail.processors.price_stretches import PriceStretch, price_stretches
from tokentrail.processors.pricing import PriceBook, Rates


class PricedModel(NamedTuple):
    """What prices are looked up by; `model` is the one that answered, or the one asked for."""

    provider: str
    model: str
    service_tier: str


class PricingRule(msgspec.Struct, frozen=True):
    """The rates of one model within one stretch of days, time of day and input tokens."""

    model: PricedModel
    stretch: PriceStretch


BOUNDS: Final = ("first_day", "until_day", "from_second", "until_second", "above_input_tokens", "to_input_tokens")
"""The fields of a stretch that say where it holds."""


def plan_rules(
    models: Iterable[PricedModel], prices: PriceBook, first_day: date, until_day: date
) -> tuple[PricingRule, ...]:
    """Return the rules for `first_day` <= UTC day < `until_day`; a call that fits none has no known price."""
    return tuple(
        PricingRule(model, stretch)
        for model in sorted(set(models))
        for stretch in price_stretches(
            lambda day, model=model: prices.tariffs_on(model.provider, model.model, model.service_tier, day),  # type: ignore[misc]  # its own
            first_day,
            until_day,
        )
    )


def rates_of(rules: Iterable[PricingRule]) -> dict[int, Rates]:
    """Return the rates that rules name, by their id."""
    return {rule.stretch.rates.rate_id: rule.stretch.rates for rule in rules}
