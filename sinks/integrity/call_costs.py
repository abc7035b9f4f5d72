"""What the ledger must have charged for a call, in whole nano-USD: the arithmetic of its view, once more. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from tokentrail.schemas.events import Usage

_SCALE: Final = 10**9
_PER_NANO: Final = 10**6
_Parts = tuple[tuple[str, int], ...]
_INPUT_PARTS: Final = {
    "cache_read_tokens": "cache_read",
    "cache_write_5m_tokens": "cache_write_5m",
    "cache_write_1h_tokens": "cache_write_1h",
    "input_audio_tokens": "input_audio",
}
_OUTPUT_PARTS: Final = {"output_audio_tokens": "output_audio", "reasoning_tokens": "reasoning"}


class ReadyRates(msgspec.Struct, frozen=True):
    """A row of `model_rates`, its amounts scaled to integers."""

    currency: str
    price_source: str
    price_version: str
    input: int | None
    output: int | None
    request_nano: int
    input_parts: _Parts
    output_parts: _Parts
    cached_audio_apart: bool


NO_RATES: Final = ReadyRates("", "", "", None, None, 0, (), (), cached_audio_apart=False)
Costs = tuple[int | None, int | None, int | None]
"""Of input, of output, and of the call; None is unknown."""
UNKNOWN: Final[Costs] = (None, None, None)


def ready_rates(row: Mapping[str, Any]) -> ReadyRates:
    """Make a row of `model_rates` ready to price with."""
    return ReadyRates(
        currency=row["currency"],
        price_source=row["price_source"],
        price_version=row["price_version"],
        input=_scaled(row["input"]),
        output=_scaled(row["output"]),
        request_nano=int(row["request"] * _SCALE) // _PER_NANO,
        input_parts=_parts(row, _INPUT_PARTS),
        output_parts=_parts(row, _OUTPUT_PARTS),
        cached_audio_apart=bool(row["cached_audio_apart"]),
    )


def cost_of_call(usage: Usage | None, rates: ReadyRates) -> Costs:
    """Price a usage; a side that cannot be priced leaves the whole call unpriced."""
    if usage is None or rates is NO_RATES:
        return UNKNOWN
    input_side = output_side = None
    if usage.input_tokens is not None:
        ambiguous = rates.cached_audio_apart and usage.cache_read_tokens and usage.input_audio_tokens
        input_side = _side(usage, usage.input_tokens, None if ambiguous else rates.input, rates.input_parts)
        if input_side is None:
            return UNKNOWN
    if usage.output_tokens is not None:
        output_side = _side(usage, usage.output_tokens, rates.output, rates.output_parts)
        if output_side is None:
            return UNKNOWN
    if input_side is None and output_side is None:
        return UNKNOWN
    return input_side, output_side, (input_side or 0) + (output_side or 0) + rates.request_nano


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


def _parts(row: Mapping[str, Any], names: Mapping[str, str]) -> _Parts:
    return tuple((tokens, int(row[rate] * _SCALE)) for tokens, rate in names.items() if row[rate] is not None)


def _scaled(rate: Decimal | None) -> int | None:
    return None if rate is None else int(rate * _SCALE)
