"""Price books that differ, for calls that are priced again."""

from datetime import date
from decimal import Decimal

from tokentrail.processors.pricing import DayTariffs, LongContext, PriceBook, Rates, Tariff


class OwnPrices:
    """A price a million tokens of input by model, dearer above 2,040 tokens of input."""

    def __init__(self, **dollars: str) -> None:
        self._dollars = {name.replace("_", "-"): Decimal(price) for name, price in dollars.items()}

    def tariffs(self, _provider: str, model: str, _tier: str, _day: date) -> DayTariffs | None:
        if model not in self._dollars:
            return None
        step = LongContext(2_040, self._rates(model, 3 * self._dollars[model]))
        return (Tariff(self._rates(model, self._dollars[model]), (step,)),)

    @staticmethod
    def _rates(model: str, dollars: Decimal) -> Rates:
        return Rates(
            price_source="own", price_version="1", provider="openai", model=model, input=dollars, output=dollars * 7,
            cache_read=dollars / 4, request=Decimal(11),
        )  # fmt: skip


OLD = PriceBook(OwnPrices(gpt_4o="2.5", gpt_4o_mini="0.15"))
NEW = PriceBook(OwnPrices(gpt_4o="3.123456789", gpt_unheard="1.000000001"))
"""One price changed, one that was not known, and one that is not known any more."""
