"""Costs in whole nano-USD: the same as the oracle's in Decimal, for every usage and all rates."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from call_cost import cost_of
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.nano_rates import cost_of_usage, scale_rates
from tokentrail.processors.pricing import DayTariffs, PriceBook, Rates, Tariff
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, Usage

NOON: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
NANO: Final = 10**9
AMOUNTS: Final = (
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output", "output_audio", "reasoning",
)  # fmt: skip

tokens = st.one_of(st.none(), st.integers(0, 3), st.integers(0, 2**32 - 1))
usages = st.builds(Usage, **dict.fromkeys(Usage.__struct_fields__, tokens))
amounts = st.one_of(st.none(), st.just(Decimal(0)), st.decimals(0, 1000, places=9))


def rates_of(**said: Any) -> Rates:
    return Rates(price_source="list", price_version="1", provider="p", model="m", **said)


@st.composite
def all_rates(draw: st.DrawFn) -> Rates:
    return rates_of(
        **{name: draw(amounts) for name in AMOUNTS},
        request=draw(st.decimals(0, 10_000, places=3)),
        cached_audio_apart=draw(st.booleans()),
    )


@st.composite
def usages_that_fit(draw: st.DrawFn) -> Usage:
    drawn = draw(usages)
    read, written = (
        drawn.cache_read_tokens or 0,
        (drawn.cache_write_5m_tokens or 0) + (drawn.cache_write_1h_tokens or 0),
    )
    rest = draw(st.integers(0, 9))
    told = {name: getattr(drawn, name) for name in Usage.__struct_fields__}
    told["input_tokens"] = draw(st.one_of(st.none(), st.just(read + written + (drawn.input_audio_tokens or 0) + rest)))
    spoken = (drawn.reasoning_tokens or 0) + (drawn.output_audio_tokens or 0)
    told["output_tokens"] = draw(st.one_of(st.none(), st.just(spoken + rest)))
    return Usage(**told)


def in_usd(usage: Usage, rates: Rates) -> tuple[Decimal | None, ...]:
    costs = cost_of_usage(usage, scale_rates(rates)) or (None, None, None)
    return tuple(None if nano is None else Decimal(nano) / NANO for nano in costs)


@given(st.one_of(usages, usages_that_fit()), all_rates())
def test_nano_costs_are_those_of_the_oracle(usage: Usage, rates: Rates) -> None:
    assert in_usd(usage, rates) == tuple(cost_of(usage, rates))


def test_cached_audio_leaves_a_call_unpriced_only_where_input_was_told() -> None:
    rates = rates_of(input=Decimal(1), output=Decimal(2), cached_audio_apart=True)
    heard = {"cache_read_tokens": 5, "input_audio_tokens": 5}
    output_cost = Decimal("0.00002")
    assert in_usd(Usage(input_tokens=10, output_tokens=10, **heard), rates) == (None, None, None)
    assert in_usd(Usage(output_tokens=10, **heard), rates) == (None, output_cost, output_cost)
    assert in_usd(Usage(input_tokens=0, output_tokens=10, **heard), rates) == (Decimal(0), output_cost, output_cost)
    assert in_usd(Usage(input_tokens=10, cache_read_tokens=5), rates) == (Decimal("0.00001"), None, Decimal("0.00001"))


def test_half_a_nano_dollar_is_rounded_up_on_each_side() -> None:
    rates = rates_of(input=Decimal("0.0005"), output=Decimal("0.0005"))
    assert cost_of_usage(Usage(input_tokens=1, output_tokens=1), scale_rates(rates)) == (1, 1, 2)


def test_a_request_fee_is_charged_once_and_only_where_a_usage_was_told() -> None:
    rates = scale_rates(rates_of(input=Decimal(1), output=Decimal(1), request=Decimal(5000)))
    assert cost_of_usage(Usage(input_tokens=1, output_tokens=1), rates) == (1000, 1000, 5_002_000)
    assert cost_of_usage(Usage(input_tokens=0), rates) == (0, None, 5_000_000)
    assert cost_of_usage(Usage(), rates) is None


class OneTariff:
    """The same rates for one model, every day."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates

    def tariffs(self, _provider: str, model: str, _tier: str, _day: date) -> DayTariffs | None:
        return (Tariff(self._rates),) if model == "m" else None


def test_the_meter_says_0_of_calls_that_the_ledger_leaves_unpriced() -> None:
    rates = rates_of(input=Decimal(1), output=Decimal(2), cache_read=Decimal("0.1"))
    meter = CostMeter(PriceBook(OneTariff(rates)))
    assert meter.cost_nano_usd(call("m", Usage(input_tokens=10, output_tokens=1))) == 12_000
    assert meter.cost_nano_usd(call("m", Usage(input_tokens=10, output_tokens=1))) == 12_000
    assert meter.cost_nano_usd(call("m", Usage(input_tokens=1, output_tokens=1, cache_read_tokens=2))) == 0
    assert meter.cost_nano_usd(call("m", Usage())) == 0
    assert meter.cost_nano_usd(call("m", None)) == 0
    assert meter.cost_nano_usd(call("unheard", Usage(input_tokens=10))) == 0


def call(model: str, usage: Usage | None) -> CallCompleted:
    return CallCompleted(
        schema_version="1.0", event_id="e", producer_id="p", producer_seq=1, prev_hash=GENESIS_HASH, occurred_at=NOON,
        call_id="c", provider="p", request_model=model, status="SUCCESS", usage=usage,
    )  # fmt: skip
