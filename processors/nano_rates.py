"""Rates as integers, and what a usage costs at them, in whole nano-USD: the arithmetic of the ledger's view. Pure."""

from decimal import Decimal
from typing import Final

import msgspec

from tokentrail.processors.pricing import Rates
from tokentrail.schemas.events import Usage

_SCALE: Final = 10**9
"""USD per million tokens, times this, is a whole number: prices have nine decimals at most."""
_PER_NANO: Final = 10**6
"""tokens x USD per million x _SCALE / this = nano-USD."""
_HALF: Final = _PER_NANO // 2
_AMOUNTS: Final = (
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output", "output_audio", "reasoning",
)  # fmt: skip


class NanoRates(msgspec.Struct, frozen=True):
    """Rates, their amounts in 1e-9 USD per million tokens; a part that is None costs what its total costs."""

    currency: str
    price_source: str
    price_version: str
    input: int | None
    cache_read: int | None
    cache_write_5m: int | None
    cache_write_1h: int | None
    input_audio: int | None
    output: int | None
    output_audio: int | None
    reasoning: int | None
    request_nano_usd: int
    """Of one request."""
    cached_audio_apart: bool


NanoCost = tuple[int | None, int | None, int]
"""Of input, of output, and of the call with its request fee; a side is None where its tokens were not told."""


def scale_rates(rates: Rates) -> NanoRates:
    """Make rates ready to price with."""
    return NanoRates(
        currency=rates.currency,
        price_source=rates.price_source,
        price_version=rates.price_version,
        **{name: _scaled(getattr(rates, name)) for name in _AMOUNTS},
        request_nano_usd=int(rates.request * _SCALE) // _PER_NANO,
        cached_audio_apart=bool(rates.cached_audio_apart),
    )


def cost_of_usage(usage: Usage, rates: NanoRates) -> NanoCost | None:
    """Price a usage; None is not known: a side that cannot be priced leaves the whole call unpriced. Below 1 µs."""
    input_tokens, output_tokens = usage.input_tokens, usage.output_tokens
    input_cost = output_cost = None
    total = rates.request_nano_usd
    if input_tokens is not None:
        input_cost = _input_side(usage, input_tokens, rates) if input_tokens else 0
        if input_cost is None:
            return None
        total += input_cost
    elif output_tokens is None:
        return None
    if output_tokens is not None:
        output_cost = _output_side(usage, output_tokens, rates) if output_tokens else 0
        if output_cost is None:
            return None
        total += output_cost
    return input_cost, output_cost, total


# Part by part, without a loop over their names: live detection prices every call, and a loop costs a fifth more.
def _input_side(usage: Usage, rest: int, rates: NanoRates) -> int | None:
    exact = 0
    if (tokens := usage.cache_read_tokens) and (rate := rates.cache_read) is not None:
        rest -= tokens
        exact += tokens * rate
    if (tokens := usage.cache_write_5m_tokens) and (rate := rates.cache_write_5m) is not None:
        rest -= tokens
        exact += tokens * rate
    if (tokens := usage.cache_write_1h_tokens) and (rate := rates.cache_write_1h) is not None:
        rest -= tokens
        exact += tokens * rate
    if tokens := usage.input_audio_tokens:
        if rates.cached_audio_apart and usage.cache_read_tokens:
            return None
        if (rate := rates.input_audio) is not None:
            rest -= tokens
            exact += tokens * rate
    if (rate := rates.input) is None or rest < 0:
        return None
    return (exact + rest * rate + _HALF) // _PER_NANO


def _output_side(usage: Usage, rest: int, rates: NanoRates) -> int | None:
    exact = 0
    if (tokens := usage.output_audio_tokens) and (rate := rates.output_audio) is not None:
        rest -= tokens
        exact += tokens * rate
    if (tokens := usage.reasoning_tokens) and (rate := rates.reasoning) is not None:
        rest -= tokens
        exact += tokens * rate
    if (rate := rates.output) is None or rest < 0:
        return None
    return (exact + rest * rate + _HALF) // _PER_NANO


def _scaled(rate: Decimal | None) -> int | None:
    return None if rate is None else int(rate * _SCALE)
