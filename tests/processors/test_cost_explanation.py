"""The lines of a cost add up to it, whatever the usage and the rates."""

from decimal import Decimal
from typing import Any

import pytest
from call_cost import cost_of
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.cost_explanation import explain_cost
from tokentrail.processors.pricing import Listing, Rates
from tokentrail.schemas.events import Usage

_rate = st.none() | st.decimals(0, 100_000, places=9)
_tokens = st.none() | st.integers(0, 400_000)
RATES = (
    "input",
    "output",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "output_audio",
    "reasoning",
)


@given(
    st.fixed_dictionaries({**dict.fromkeys(RATES, _rate), "cached_audio_apart": st.booleans()}),
    st.fixed_dictionaries(dict.fromkeys(Usage.__struct_fields__, _tokens)),
    st.decimals(0, 1000, places=3),
)
def test_the_lines_add_up_to_the_ledgers_cost_to_the_last_digit(
    given_rates: dict[str, Any], tokens: dict[str, int | None], request: Decimal
) -> None:
    rates = Rates(
        price_source="s", price_version="1", provider="p", model="m", request=request, **given_rates
    )  # fmt: skip
    usage = Usage(**tokens)
    told, ledger = explain_cost(usage, rates), cost_of(usage, rates)
    assert (told.input_cost, told.output_cost, told.cost_usd) == tuple(ledger)
    assert bool(told.fault) is (told.reason is not None) is (ledger.total is None)
    if ledger.total is not None:
        assert sum(line.amount_usd for line in told.lines) == ledger.total
        # Every token is on one line, and on one only.
        counted = sum(line.tokens or 0 for line in told.lines)
        assert counted == (usage.input_tokens or 0) + (usage.output_tokens or 0)


def test_a_line_says_what_the_list_said() -> None:
    rates = Rates(
        price_source="price-list", price_version="1", provider="p", model="m", input=Decimal("0.5"), output=Decimal(1),
        listing=Listing(price_source="price-list", price_version="1", currency="EUR", rates={"input": Decimal("0.4")}),
    )  # fmt: skip
    (line,) = explain_cost(Usage(input_tokens=10), rates).lines
    assert (line.part, line.tokens, line.rate_usd, line.listed_rate) == ("input", 10, Decimal("0.5"), Decimal("0.4"))


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (None, "told no usage"),
        (Usage(), "told no usage"),
        (Usage(input_tokens=5, cache_read_tokens=6), "add up to 6 tokens, more than its total of 5"),
        (Usage(output_tokens=5), "no rate for output"),
    ],
)
def test_a_missing_cost_says_why(usage: Usage | None, told: str) -> None:
    rates = Rates(price_source="s", price_version="1", provider="p", model="m", input=Decimal(1), cache_read=Decimal(0))
    assert told in explain_cost(usage, rates).fault
    assert "No price is known" in explain_cost(usage, None).fault
