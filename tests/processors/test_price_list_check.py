"""Entries of a price list that nothing reaches, and entries that overlap."""

from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tokentrail.processors.price_file import Exchange, Markup, PriceEntry, PriceFile
from tokentrail.processors.price_list_check import find_oddities
from tokentrail.processors.pricing_list import PriceList

ONE = Decimal(1)
DAYS = [date(2026, 1, day) for day in range(1, 8)]


def entry(provider: str, model: str, **fields: Any) -> PriceEntry:
    return PriceEntry(provider=provider, model=model, **{"input": ONE, "output": ONE, **fields})


def discount(provider: str, model: str, **fields: Any) -> PriceEntry:
    return PriceEntry(provider=provider, model=model, discount_percent=ONE, **fields)


def file_of(*prices: PriceEntry, exchanges: tuple[Exchange, ...] = (), markups: tuple[Markup, ...] = ()) -> PriceFile:
    return PriceFile(version="1", prices=prices, exchanges=exchanges, markups=markups)


def told(*prices: PriceEntry) -> list[tuple[str, int, tuple[int, ...]]]:
    return [(odd.kind, odd.place, odd.others) for odd in find_oddities(file_of(*prices))]


def test_an_entry_behind_a_wider_one_is_never_reached() -> None:
    assert told(entry("p", "gpt-*"), entry("p", "gpt-4o")) == [("unreachable", 2, (1,))]
    assert told(entry("p", "gpt-4o"), entry("p", "gpt-*")) == [("overlap", 2, (1,))]
    assert told(entry("p", "gpt-4o"), entry("p", "claude*"), entry("q", "gpt-4o")) == []


def test_days_and_tiers_part_entries() -> None:
    assert told(entry("p", "m", until=DAYS[3]), entry("p", "m", since=DAYS[3])) == []
    halves = (entry("p", "m", until=DAYS[3]), entry("p", "*", since=DAYS[3]))
    assert told(*halves, entry("p", "m"))[-1] == ("unreachable", 3, (1, 2))
    assert told(entry("p", "m", service_tier="batch"), entry("p", "m", service_tier="flex")) == []
    assert told(entry("p", "m", service_tier="batch"), entry("p", "m")) == [("overlap", 2, (1,))]


def test_a_discount_does_not_hide_the_rates_that_it_comes_off() -> None:
    assert told(discount("p", "*"), entry("p", "m")) == []
    assert told(discount("p", "*"), discount("p", "m")) == [("unreachable", 2, (1,))]
    assert told(entry("p", "*"), discount("p", "m")) == [("unreachable", 2, (1,))]


def test_markups_and_exchange_rates_are_looked_at_too() -> None:
    odd = find_oddities(
        file_of(
            exchanges=(Exchange(currency="EUR", usd=ONE),),
            markups=(Markup(percent=ONE), Markup(percent=ONE, department="Sales")),
        )
    )
    assert [str(one) for one in odd] == [
        "markup 2 (Sales): nothing reaches it: entry 1 goes first, whatever the call",
        "exchange 1 (EUR): no price is in this currency",
    ]


_entries = st.builds(
    entry,
    st.sampled_from(["*", "p", "q", "?"]),
    st.sampled_from(["*", "a*", "*b", "ab", "a?", "b"]),
    service_tier=st.sampled_from([None, "batch"]),
    since=st.sampled_from([date.min, *DAYS[:3]]),
    until=st.sampled_from([date.max, *DAYS[4:]]),
)


@settings(max_examples=20)
@given(st.lists(_entries, min_size=1, max_size=5))
def test_no_call_is_priced_by_an_entry_said_to_be_unreachable(entries: list[PriceEntry]) -> None:
    # Told apart by their rates.
    prices = [
        entry(
            one.provider, one.model, service_tier=one.service_tier, since=one.since, until=one.until, input=Decimal(at)
        )
        for at, one in enumerate(entries, 1)
    ]
    lost = {odd.place for odd in find_oddities(file_of(*prices)) if odd.kind == "unreachable"}
    listed = PriceList(file_of(*prices))
    for provider in ("p", "q", "r"):
        for model in ("ab", "a", "b", "bb", "c"):
            for tier in ("", "batch"):
                for day in DAYS:
                    found = listed.tariffs(provider, model, tier, day)
                    assert not found or found[0].rates.input not in lost
