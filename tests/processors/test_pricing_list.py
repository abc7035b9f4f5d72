"""The user's own price list."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tokentrail.errors import PriceListError
from tokentrail.processors.pricing_list import PriceList, load_price_list

DAY = date(2026, 11, 20)


def price_list(tmp_path: Path, text: str) -> PriceList:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    return load_price_list(path)


def input_rate(prices: PriceList, provider: str, model: str, day: date = DAY, tier: str = "") -> Decimal | None:
    tariffs = prices.tariffs(provider, model, tier, day)
    return tariffs[0].rates.input if tariffs else None


def test_the_first_entry_that_fits_prices_a_call(tmp_path: Path) -> None:
    prices = price_list(
        tmp_path,
        """
        [[price]]
        provider = "holysheep"
        model = "gpt-4o-mini*"
        input = 0.1
        output = 0.3
        [[price]]
        provider = "holysheep"
        model = "gpt-4o*"
        input = 1.1
        output = 3
        """,
    )
    assert input_rate(prices, "HolySheep", "GPT-4o-mini-2024") == Decimal("0.1")
    assert input_rate(prices, "holysheep", "gpt-4o") == Decimal("1.1")
    assert input_rate(prices, "holysheep", "claude") is None
    assert input_rate(prices, "openai", "gpt-4o") is None


def test_a_price_changes_on_its_day(tmp_path: Path) -> None:
    prices = price_list(
        tmp_path,
        """
        [[price]]
        provider = "relay"
        model = "*"
        until = 2026-11-20
        input = 1
        output = 1
        [[price]]
        provider = "relay"
        model = "*"
        from = 2026-11-20
        until = 2026-12-01
        input = 2
        output = 2
        """,
    )
    assert [input_rate(prices, "relay", "m", date(2026, 11, day)) for day in (19, 20, 30)] == [1, 2, 2]
    assert input_rate(prices, "relay", "m", date(2026, 12, 1)) is None


def test_rates_are_exact_and_carry_the_lists_version(tmp_path: Path) -> None:
    text = '[[price]]\nprovider = "p"\nmodel = "m"\ninput = 0.000000001\noutput = 0.3\n'
    tariffs = price_list(tmp_path, 'version = "2026-11"\n' + text).tariffs("p", "m", "", DAY)
    assert tariffs is not None
    assert tariffs[0].rates.input == Decimal("0.000000001")
    assert (tariffs[0].rates.price_source, tariffs[0].rates.price_version) == ("price-list", "2026-11")
    unnamed = price_list(tmp_path, text).tariffs("p", "m", "", DAY)
    assert unnamed is not None
    assert len(unnamed[0].rates.price_version) == 12


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[price]", "not valid TOML"),
        ('[[price]]\nprovider = "p"\nmodel = "m"\noutput = 1', "entry 1 (p m), field input: is missing"),
        ('[[price]]\nprovider = "p"\nmodel = "m"\ninput = -1\noutput = 1', "entry 1 (p m), field input"),
        ('[[price]]\nprovider = "p"\nmodel = "m"\ninput = nan\noutput = 1', "field input"),
        ('[[price]]\nprovider = "p"\nmodel = "m"\ninput = 1e9\noutput = 1', "field input"),
        ('[[price]]\nprovider = "p"\nmodel = "m"\ninput = 0.0000000001\noutput = 1', "digits"),
        ('[[price]]\nprovider = "p"\nmodel = "m"\ninput = "x"\noutput = 1', "$.input"),
        (
            '[[price]]\nprovider = "p"\nmodel = "m"\ninput = 1\noutput = 1\nfrom = 2026-02-01\nuntil = 2026-01-01',
            "until",
        ),
        ('[[price]]\nprovider = "p"\nmodel = "m"\ninput = 1\noutput = 1\ncoffee = 1', "coffee"),
        ("price = 1", "$.price"),
    ],
)
def test_a_fault_names_file_entry_and_field(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(PriceListError) as caught:
        price_list(tmp_path, text)
    assert "prices.toml" in str(caught.value)
    assert told in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PriceListError, match=r"absent\.toml cannot be read"):
        load_price_list(tmp_path / "absent.toml")
