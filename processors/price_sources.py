"""Where prices come from: the user's own list before the public ones."""

from tokentrail.processors.price_file import Markup
from tokentrail.processors.pricing import PriceBook, PriceSource
from tokentrail.processors.pricing_list import load_price_list
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.settings import Settings


def open_price_book(settings: Settings) -> PriceBook:
    """Return the user's own prices before the public ones.

    Raises:
        PriceListError: the price file cannot be used.
    """
    public = PublicPrices()
    own: list[PriceSource] = [load_price_list(settings.prices, public)] if settings.prices else []
    return PriceBook(*own, public)


def read_markups(settings: Settings) -> tuple[Markup, ...]:
    """Return what departments are charged above cost, in the price file's order; none without a price file.

    Raises:
        PriceListError: the price file cannot be used.
    """
    return load_price_list(settings.prices).file.markups if settings.prices else ()
