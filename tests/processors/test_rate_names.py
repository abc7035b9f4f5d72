"""Rates are named by their content, so that whoever reads them back can tell whether they were changed."""

from decimal import Decimal

import msgspec

from tokentrail.processors.pricing import Listing, Rates

RATES = Rates(price_source="list", price_version="1", provider="openai", model="gpt-4o", input=Decimal("2.50"))


def test_rates_keep_their_name_when_the_ledger_gives_them_back_with_more_zeros() -> None:
    assert (
        msgspec.structs.replace(RATES, input=Decimal("2.500000000"), request=Decimal("0E-9")).rate_id == RATES.rate_id
    )


def test_converted_rates_keep_their_name_too() -> None:
    listing = Listing(price_source="list", price_version="1", currency="EUR", rates={"input": Decimal("2.3")})
    padded = msgspec.structs.replace(
        listing, exchange_rate=Decimal("1.000000000"), rates={"input": Decimal("2.300000000")}
    )
    named = msgspec.structs.replace(RATES, listing=listing)
    assert msgspec.structs.replace(RATES, listing=padded).rate_id == named.rate_id != RATES.rate_id


def test_rates_that_differ_have_other_names() -> None:
    names = {
        msgspec.structs.replace(RATES, **change).rate_id
        for change in ({}, {"input": Decimal("25.0")}, {"output": Decimal("2.5")}, {"model": "gpt-4"})
    }
    assert len(names) == 4
