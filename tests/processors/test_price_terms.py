"""Price lists with currencies, discounts, tiers, long contexts and mark-ups."""

from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.errors import PriceListError
from tokentrail.processors.price_file import Exchange, PriceEntry, PriceFile
from tokentrail.processors.pricing import Rates
from tokentrail.processors.pricing_list import PriceList, load_price_list
from tokentrail.processors.pricing_public import PublicPrices

DAY = date(2026, 11, 20)
PUBLIC = PublicPrices()
RATED = '[[price]]\nprovider = "p"\nmodel = "m"\ninput = 1\noutput = 2\n'


def price_list(tmp_path: Path, text: str) -> PriceList:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    return load_price_list(path, PUBLIC)


def rates_of(prices: PriceList, provider: str, model: str, tier: str = "", day: date = DAY) -> Rates:
    tariffs = prices.tariffs(provider, model, tier, day)
    assert tariffs
    return tariffs[0].rates


def test_a_price_in_another_currency_is_converted_at_its_days_rate(tmp_path: Path) -> None:
    prices = price_list(
        tmp_path,
        '[[exchange]]\ncurrency = "EUR"\nusd = 1.08\n[[exchange]]\ncurrency = "EUR"\nfrom = 2026-11-01\nusd = 1.0853\n'
        '[[price]]\nprovider = "p"\nmodel = "m"\ncurrency = "EUR"\ninput = 0.7\noutput = 2\nper_1000_requests = 0.5\n',
    )
    before, after = (rates_of(prices, "p", "m", day=day) for day in (date(2026, 10, 31), date(2026, 11, 1)))
    assert (before.input, after.input) == (Decimal("0.756"), Decimal("0.75971"))
    assert (after.currency, after.request) == ("USD", Decimal("542.65"))
    assert after.listing
    assert (after.listing.currency, after.listing.exchange_rate) == ("EUR", Decimal("1.0853"))
    assert after.listing.rates == {"input": Decimal("0.7"), "output": Decimal(2), "request": Decimal(500)}
    assert before.rate_id != after.rate_id


def test_a_discount_comes_off_its_own_rates(tmp_path: Path) -> None:
    rates = rates_of(price_list(tmp_path, RATED + "discount_percent = 12.5\ncache_read = 0.1"), "p", "m")
    assert (rates.input, rates.output, rates.cache_read) == (Decimal("0.875"), Decimal("1.75"), Decimal("0.0875"))
    assert rates.listing
    assert rates.listing.discount_percent == Decimal("12.5")


def test_a_discount_without_rates_comes_off_the_public_price_with_its_tiers_and_steps(tmp_path: Path) -> None:
    prices = price_list(tmp_path, '[[price]]\nprovider = "anthropic"\nmodel = "*"\ndiscount_percent = 10\n')
    public = PUBLIC.tariffs("anthropic", "claude-sonnet-4-5", "", DAY)
    ours = prices.tariffs("anthropic", "claude-sonnet-4-5", "", DAY)
    assert public
    assert ours
    assert ours[0].for_input(200_001).input == Decimal("5.4")
    assert ours[0].for_input(200_001).above_input_tokens == 200_000
    assert ours[0].rates.listing
    assert ours[0].rates.listing.price_source == "genai-prices"
    assert ours[0].rates.listing.rates["input"] == public[0].rates.input
    batch = rates_of(prices, "anthropic", "claude-sonnet-4-5", "batch")
    assert batch.input == Decimal("1.35")


def test_a_discount_without_rates_comes_off_the_next_listed_price_and_is_not_added_up(tmp_path: Path) -> None:
    discount = '[[price]]\nprovider = "p"\nmodel = "*"\ndiscount_percent = {}\n'
    prices = price_list(tmp_path, discount.format(10) + discount.format(50) + RATED + "discount_percent = 20\n")
    assert rates_of(prices, "p", "m").input == Decimal("0.9")


def test_a_relay_can_be_priced_off_another_provider(tmp_path: Path) -> None:
    entry = '[[price]]\nprovider = "relay"\nmodel = "{}"\ndiscount_percent = 30\nof = "{}"\n'
    prices = price_list(tmp_path, entry.format("fast", "openai/gpt-4o") + entry.format("*", "openai"))
    assert rates_of(prices, "relay", "fast").input == Decimal("1.75")
    assert rates_of(prices, "relay", "gpt-4o-mini").input == Decimal("0.105")
    assert prices.tariffs("relay", "unheard-of", "", DAY) == ()


def test_a_long_context_step_keeps_what_it_does_not_name(tmp_path: Path) -> None:
    text = RATED + "cache_read = 0.1\n[[price.long_context]]\nabove_input_tokens = 1000\ninput = 3\n"
    text += "[[price.long_context]]\nabove_input_tokens = 5000\noutput = 9\n"
    (tariff,) = price_list(tmp_path, text).tariffs("p", "m", "", DAY) or ()
    found = [tariff.for_input(tokens) for tokens in (1000, 1001, 5001)]
    assert [(rates.input, rates.output, rates.cache_read) for rates in found] == [
        (Decimal(1), Decimal(2), Decimal("0.1")),
        (Decimal(3), Decimal(2), Decimal("0.1")),
        (Decimal(3), Decimal(9), Decimal("0.1")),
    ]
    assert [rates.above_input_tokens for rates in found] == [0, 1000, 5000]


def test_plain_rates_keep_the_id_they_had_before_lists_knew_currencies(tmp_path: Path) -> None:
    assert rates_of(price_list(tmp_path, 'version = "1"\n' + RATED), "p", "m").rate_id == 4221549957135462151


@given(st.decimals(0, 1000, places=6), st.decimals("0.0001", 10, places=6), st.decimals(0, 100, places=4))
def test_a_rate_is_the_listed_one_times_exchange_less_discount(rate: Decimal, usd: Decimal, off: Decimal) -> None:
    entry = PriceEntry(provider="p", model="m", currency="XYZ", discount_percent=off, input=rate, output=rate)
    file = PriceFile(version="1", prices=(entry,), exchanges=(Exchange(currency="XYZ", usd=usd),), markups=())
    found = rates_of(PriceList(file), "p", "m").input
    assert found is not None
    assert abs(found - rate * usd * (100 - off) / 100) <= Decimal("5e-10")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (RATED + 'currency = "eur"', "currency"),
        (RATED + 'currency = "EUR"', "entry 1 (p m), field currency: no [[exchange]] says what EUR is"),
        (
            RATED + 'currency = "EUR"\n[[exchange]]\ncurrency = "EUR"\nfrom = 2026-01-01\nusd = 1.1',
            "the first begins on 2026-01-01; give the price a `from`",
        ),
        (RATED + "per_1000_requests = 1_000_000", "field per_1000_requests: 1000000 is no price"),
        (RATED + "per_1000_requests = 100_001", "field per_1000_requests: 100001 USD is no price"),
        (RATED + "discount_percent = 101", "field discount_percent: 101 is out of range"),
        (RATED + 'of = "openai"', "field of"),
        (RATED + "[[price.long_context]]\ninput = 1", "above_input_tokens"),
        (RATED + "[[price.long_context]]\nabove_input_tokens = 1", "field long_context 1: has no rates"),
        (
            RATED + "[[price.long_context]]\nabove_input_tokens = 9\ninput = 1\n" * 2,
            "field long_context 2.above_input_tokens: steps must go up",
        ),
        (RATED + "[[price.long_context]]\nabove_input_tokens = 9\ninput = -1\n", "field long_context 1.input"),
        ('[[price]]\nprovider = "p"\nmodel = "m"', "field input: is missing; give rates, or a discount_percent"),
        ('[[price]]\nprovider = "p"\nmodel = "m"\ndiscount_percent = 1\nof = "open*"', "field of"),
        ('[[exchange]]\ncurrency = "EUR"\nusd = 0', "exchange 1 (EUR), field usd"),
        ('[[exchange]]\ncurrency = "USD"\nusd = 1', "exchange 1 (USD), field currency"),
        ('[[markup]]\ndepartment = "Sales"\npercent = -101', "markup 1 (Sales), field percent"),
        ('[[markup]]\ndepartment = "Sales"', "markup 1 (Sales): Object missing required field `percent`"),
    ],
)
def test_a_fault_in_the_terms_names_file_entry_and_field(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(PriceListError) as caught:
        price_list(tmp_path, text)
    assert "prices.toml" in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("model", "input_rate", "output_rate"),
    [
        ("gpt-4.1", "2", "8"),
        ("claude-sonnet-4.5", "3", "15"),
        ("claude-sonnet-4-5-20250929", "3", "15"),
        ("gemini-2.5-flash", "0.3", "2.5"),
        ("deepseek-v3.2", "0.1", "0.42"),
    ],
)
def test_the_relays_example_list_prices_its_four_models(model: str, input_rate: str, output_rate: str) -> None:
    example = Path(str(files("tokentrail.processors") / "price_examples" / "holysheep.toml"))
    rates = rates_of(load_price_list(example), "holysheep", model)
    assert (rates.input, rates.output) == (Decimal(input_rate), Decimal(output_rate))
    assert rates.price_version == "holysheep-2026-04"
