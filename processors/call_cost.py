"""What a call costs, in whole nano-USD: the arithmetic of the ledger, in integers, for tallies. Pure."""

from decimal import Decimal
from typing import Final

import msgspec

from tokentrail.processors.pricing import PriceBook, Rates
from tokentrail.schemas.events import CallCompleted, Usage

_SCALE: Final = 10**9
"""USD per million tokens, times this, is a whole number: prices have nine decimals at most."""
_PER_NANO: Final = 10**6
"""tokens x USD per million x _SCALE / this = nano-USD."""
_MAX_REMEMBERED: Final = 10_000

_Parts = tuple[tuple[str, int], ...]


class _Prices(msgspec.Struct, frozen=True):
    """Rates made ready: scaled to integers, parts without a rate of their own left out."""

    request_nano: int
    input: int | None
    output: int | None
    input_parts: _Parts
    output_parts: _Parts
    cached_audio_apart: bool


class CostMeter:
    """Prices calls. Not thread-safe; the memory is bounded."""

    def __init__(self, prices: PriceBook) -> None:
        self._prices = prices
        self._ready: dict[int, _Prices] = {}

    def cost_nano_usd(self, call: CallCompleted) -> int:
        """Return what a call costs; 0 where the price or the usage is not known: `tokentrail costs` lists those."""
        usage = call.usage
        if usage is None:
            return 0
        rates = self._prices.rates_for(call, call.occurred_at)
        if rates is None:
            return 0
        prices = self._ready.get(rates.rate_id)
        if prices is None:
            prices = self._remember(rates)
        return _add_up(usage, prices)

    def _remember(self, rates: Rates) -> _Prices:
        if len(self._ready) >= _MAX_REMEMBERED:
            self._ready.clear()
        prices = self._ready[rates.rate_id] = _make_ready(rates)
        return prices


def _add_up(usage: Usage, prices: _Prices) -> int:
    if prices.cached_audio_apart and usage.cache_read_tokens and usage.input_audio_tokens:
        return 0
    total = prices.request_nano
    if usage.input_tokens is not None:
        side = _side(usage, usage.input_tokens, prices.input, prices.input_parts)
        if side is None:
            return 0
        total += side
    if usage.output_tokens is not None:
        side = _side(usage, usage.output_tokens, prices.output, prices.output_parts)
        if side is None:
            return 0
        total += side
    return 0 if usage.input_tokens is None and usage.output_tokens is None else total


def _side(usage: Usage, total: int, rate: int | None, parts: _Parts) -> int | None:
    if not total:
        return 0
    rest, exact = total, 0
    for name, part_rate in parts:
        tokens = getattr(usage, name)
        if tokens:
            rest -= tokens
            exact += tokens * part_rate
    if rate is None or rest < 0:
        return None
    return (exact + rest * rate + _PER_NANO // 2) // _PER_NANO


def _make_ready(rates: Rates) -> _Prices:
    return _Prices(
        request_nano=_scale(rates.request) // _PER_NANO,
        input=_scaled(rates.input),
        output=_scaled(rates.output),
        input_parts=_parts(
            ("cache_read_tokens", rates.cache_read),
            ("cache_write_5m_tokens", rates.cache_write_5m),
            ("cache_write_1h_tokens", rates.cache_write_1h),
            ("input_audio_tokens", rates.input_audio),
        ),
        output_parts=_parts(("output_audio_tokens", rates.output_audio), ("reasoning_tokens", rates.reasoning)),
        cached_audio_apart=rates.cached_audio_apart,
    )


def _parts(*parts: tuple[str, Decimal | None]) -> _Parts:
    return tuple((name, _scale(rate)) for name, rate in parts if rate is not None)


def _scaled(rate: Decimal | None) -> int | None:
    return None if rate is None else _scale(rate)


def _scale(rate: Decimal) -> int:
    return int(rate * _SCALE)
