"""What a call costs, computed once more in Python: the oracle of the ledger's view."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from tokentrail.processors.pricing import Rates
from tokentrail.schemas.events import Usage

PER_MILLION: Final = Decimal(1_000_000)
MONEY_STEP: Final = Decimal("0.000000001")


class Cost(NamedTuple):
    """What a call costs in USD; None is not known. `total` is both sides and the request fee."""

    input: Decimal | None
    output: Decimal | None
    total: Decimal | None


UNPRICED: Final = Cost(None, None, None)


def cost_of(usage: Usage | None, rates: Rates | None) -> Cost:
    """Price a usage.

    Parts are inside their totals and are counted once. A side that cannot be priced leaves the whole call unpriced.
    """
    if usage is None or rates is None:
        return UNPRICED
    reads_audio_from_cache = rates.cached_audio_apart and usage.cache_read_tokens and usage.input_audio_tokens
    input_side = _side(
        usage.input_tokens,
        None if reads_audio_from_cache else rates.input,
        (usage.cache_read_tokens, rates.cache_read),
        (usage.cache_write_5m_tokens, rates.cache_write_5m),
        (usage.cache_write_1h_tokens, rates.cache_write_1h),
        (usage.input_audio_tokens, rates.input_audio),
    )
    output_side = _side(
        usage.output_tokens,
        rates.output,
        (usage.output_audio_tokens, rates.output_audio),
        (usage.reasoning_tokens, rates.reasoning),
    )
    unknown_input = input_side is None and usage.input_tokens is not None
    unknown_output = output_side is None and usage.output_tokens is not None
    if unknown_input or unknown_output or (input_side is None and output_side is None):
        return UNPRICED
    total = (input_side or Decimal(0)) + (output_side or Decimal(0)) + rates.request / PER_MILLION
    return Cost(input_side, output_side, total.quantize(MONEY_STEP, ROUND_HALF_UP))


def _side(total: int | None, rate: Decimal | None, *parts: tuple[int | None, Decimal | None]) -> Decimal | None:
    if total is None:
        return None
    if total == 0:
        return Decimal(0)
    apart = [(tokens or 0, part_rate) for tokens, part_rate in parts if part_rate is not None]
    rest = total - sum(tokens for tokens, _ in apart)
    if rate is None or rest < 0:
        return None
    exact = rest * rate + sum((tokens * part_rate for tokens, part_rate in apart), Decimal(0))
    return (exact / PER_MILLION).quantize(MONEY_STEP, ROUND_HALF_UP)
