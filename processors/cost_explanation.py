"""How the cost of a call came about: each part of its usage, what it is charged at, and what that makes. Pure.

The arithmetic is the ledger's, in its view `calls_from_events_in`: a part without a rate of its own stays inside its
total; each side, input and output, is rounded half up to 1e-9 USD; the two and the request fee are the cost.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal, TypeAlias

import msgspec

from tokentrail.processors.pricing import Rates
from tokentrail.processors.unpriced import Unpriced
from tokentrail.schemas.events import Usage

PER_MILLION: Final = Decimal(1_000_000)
MONEY_STEP: Final = Decimal("0.000000001")
Side: TypeAlias = Literal["input", "output", "request"]
_SIDES: Final[tuple[tuple[Side, tuple[str, ...]], ...]] = (
    ("input", ("cache_read", "cache_write_5m", "cache_write_1h", "input_audio")),
    ("output", ("output_audio", "reasoning")),
)
_NO_RATE: Final = {"input": Unpriced.NO_INPUT_RATE, "output": Unpriced.NO_OUTPUT_RATE}
_EXCEEDED: Final = {"input": Unpriced.INPUT_EXCEEDED, "output": Unpriced.OUTPUT_EXCEEDED}


class CostLine(msgspec.Struct, frozen=True, kw_only=True):
    """One part. `amount_usd` is exact: tokens x `rate_usd` / 1,000,000, or the rounding of a side."""

    side: Side
    part: str
    tokens: int | None = None
    rate_usd: Decimal | None = None
    listed_rate: Decimal | None = None
    amount_usd: Decimal


class CostExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """The lines add up to `cost_usd` to the last digit; where `fault` says why there is no cost, there are none."""

    lines: tuple[CostLine, ...] = ()
    input_cost: Decimal | None = None
    output_cost: Decimal | None = None
    cost_usd: Decimal | None = None
    reason: Unpriced | None = None
    """What `fault` is about; None where there is a cost."""
    fault: str = ""


def explain_cost(usage: Usage | None, rates: Rates | None) -> CostExplanation:
    """Take a cost apart, or say why there is none."""
    reason, fault = _fault(usage, rates)
    if reason or usage is None or rates is None:
        return CostExplanation(reason=reason, fault=fault)
    lines: list[CostLine] = []
    sides: dict[str, Decimal | None] = {}
    for side, parts in _SIDES:
        own = _side(side, parts, usage, rates)
        told = _tokens(usage, side) is not None
        sides[side] = sum((line.amount_usd for line in own), Decimal(0)) if told else None
        lines += own
    if rates.request:
        fee = (rates.request / PER_MILLION).quantize(MONEY_STEP, ROUND_HALF_UP)
        listed = rates.listing.rates.get("request") if rates.listing else None
        lines.append(
            CostLine(side="request", part="request", rate_usd=rates.request, listed_rate=listed, amount_usd=fee)
        )
    total_usd = sum((line.amount_usd for line in lines), Decimal(0)).quantize(MONEY_STEP)
    return CostExplanation(
        lines=tuple(lines), input_cost=sides["input"], output_cost=sides["output"], cost_usd=total_usd
    )


def _fault(usage: Usage | None, rates: Rates | None) -> tuple[Unpriced | None, str]:
    if rates is None:
        return Unpriced.NO_PRICE, "No price is known for this provider and model."
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return Unpriced.NO_USAGE, "The provider told no usage."
    if rates.cached_audio_apart and usage.cache_read_tokens and usage.input_audio_tokens and usage.input_tokens:
        told = "Cached audio has a price of its own, and the usage does not say how much of the audio was cached."
        return Unpriced.AUDIO_NOT_APART, told
    for side, parts in _SIDES:
        total = _tokens(usage, side)
        if total and getattr(rates, side) is None:
            return _NO_RATE[side], f"The price list has no rate for {side}."
        apart = sum(tokens for _, tokens in _priced_apart(usage, rates, parts))
        if total and apart > total:
            told = f"The parts of the {side} add up to {apart:,} tokens, more than its total of {total:,}."
            return _EXCEEDED[side], told
    return None, ""


def _tokens(usage: Usage, part: str) -> int | None:
    found: int | None = getattr(usage, f"{part}_tokens")
    return found


def _priced_apart(usage: Usage, rates: Rates, parts: tuple[str, ...]) -> list[tuple[str, int]]:
    return [(part, tokens) for part in parts if (tokens := _tokens(usage, part)) and getattr(rates, part) is not None]


def _side(side: Side, parts: tuple[str, ...], usage: Usage, rates: Rates) -> list[CostLine]:
    total = _tokens(usage, side)
    if not total:
        return []
    apart = _priced_apart(usage, rates, parts)
    rest = total - sum(tokens for _, tokens in apart)
    lines = [_line(side, part, tokens, rates) for part, tokens in ((side, rest), *apart) if tokens]
    exact = sum((line.amount_usd for line in lines), Decimal(0))
    rounding = exact.quantize(MONEY_STEP, ROUND_HALF_UP) - exact
    if rounding:
        lines.append(CostLine(side=side, part="rounding", amount_usd=rounding))
    return lines


def _line(side: Side, part: str, tokens: int, rates: Rates) -> CostLine:
    rate: Decimal = getattr(rates, part)
    return CostLine(
        side=side,
        part=part,
        tokens=tokens,
        rate_usd=rate,
        listed_rate=rates.listing.rates.get(part) if rates.listing else None,
        amount_usd=tokens * rate / PER_MILLION,
    )
