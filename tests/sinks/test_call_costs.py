"""The cost of a call, four times: by the engine's view, by `cost_of`, in whole nano-USD, by genai-prices."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from call_cost import cost_of
from genai_prices.data_snapshot import get_snapshot
from ledger_log import block_of, completed, rows
from public_cost import public_cost
from varied_usage import draw_usage

from tokentrail.processors.cost_explanation import explain_cost
from tokentrail.processors.nano_rates import cost_of_usage, scale_rates
from tokentrail.processors.pricing import DayTariffs, LongContext, PriceBook, Rates, Tariff
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.processors.unpriced import Unpriced
from tokentrail.schemas.events import CallCompleted, Usage
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.cost_query import CostQuery
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.unpriced_calls import read_unpriced_calls

CALLS_OF_A_MODEL = 80
KNOWN = [
    ("openai", "gpt-4o"), ("openai", "gpt-5"), ("openai", "gpt-realtime"), ("openai", "gpt-4o-audio-preview"),
    ("anthropic", "claude-sonnet-4-5"), ("anthropic", "claude-opus-4-5"), ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"), ("deepseek", "deepseek-chat"), ("perplexity", "sonar-deep-research"),
]  # fmt: skip
UNKNOWN = [("openai", "gpt-unheard"), ("nobody", "gpt-4o"), (None, None)]


class OddPrices:
    """Rates with every digit that the ledger keeps, in every combination of parts that are priced apart."""

    def __init__(self, chance: random.Random) -> None:
        self._rates = {f"odd-{number}": (self._draw(chance), self._draw(chance)) for number in range(8)}
        self.models = [("odd", model) for model in self._rates]

    def _draw(self, chance: random.Random) -> Rates:
        def rate() -> Decimal | None:
            return None if chance.random() < 0.25 else Decimal(chance.randrange(10**11)).scaleb(-9)

        return Rates(
            price_source="odd",
            price_version="1",
            provider="odd",
            model="odd",
            input=rate(),
            output=rate(),
            cache_read=rate(),
            cache_write_5m=rate(),
            cache_write_1h=rate(),
            input_audio=rate(),
            output_audio=rate(),
            reasoning=rate(),
            request=Decimal(chance.randrange(10**6)).scaleb(-3),
            cached_audio_apart=chance.random() < 0.5,
        )

    def tariffs(self, _provider: str, model: str, _tier: str, _day: date) -> DayTariffs | None:
        found = self._rates.get(model)
        return found and (Tariff(found[0], (LongContext(200_000, found[1]),)),)


def listed_models(chance: random.Random) -> list[tuple[str, str]]:
    listed = [
        (provider.id, model.id)
        for provider in get_snapshot().providers
        for model in provider.models
        if provider.find_model(model.id) is model
    ]
    return chance.sample(listed, 20)


def comparable(usage: Usage) -> bool:
    """Whether genai-prices takes the usage: parts fit into totals, no audio is among cached or reasoning tokens."""
    cached = [usage.cache_read_tokens or 0, usage.cache_write_5m_tokens or 0, usage.cache_write_1h_tokens or 0]
    heard, spoken, thought = usage.input_audio_tokens or 0, usage.output_audio_tokens or 0, usage.reasoning_tokens or 0
    if usage.input_tokens is None or usage.output_tokens is None:
        return False
    fits = sum(cached) + heard <= usage.input_tokens and spoken + thought <= usage.output_tokens
    return fits and not (heard and any(cached)) and not (spoken and thought)


@pytest.mark.engine
def test_the_engine_and_python_and_genai_prices_agree_on_what_a_call_costs(settings: Settings) -> None:
    chance = random.Random(20261121)
    odd, at = OddPrices(chance), datetime.now(UTC)
    prices = PriceBook(odd, PublicPrices())
    payloads: list[Any] = [
        completed(number, provider=provider, request_model=model, usage=draw_usage(chance), occurred_at=at)
        for number, (provider, model) in enumerate(
            (KNOWN + UNKNOWN + odd.models + listed_models(chance)) * CALLS_OF_A_MODEL
        )
    ]
    migrate(settings)
    LedgerTables(settings, "test").insert(block_of(0, payloads, prices=prices))
    found = rows(settings, "SELECT input_cost, output_cost, cost_usd FROM calls ORDER BY kafka_offset")

    compared, reasons = 0, Counter[str]()
    for payload, costs in zip(payloads, found, strict=True):
        call = msgspec.json.decode(payload, type=CallCompleted)
        rates = prices.rates_for(call, at)
        ours = cost_of(call.usage, rates)
        assert costs == tuple(ours), call
        if ours.total is None:
            reasons[explain_cost(call.usage, rates).reason or ""] += 1
        if call.usage and rates:
            nano = cost_of_usage(call.usage, scale_rates(rates)) or (None, None, None)
            assert costs == tuple(None if part is None else Decimal(part).scaleb(-9) for part in nano), call
        if ours.total is not None and call.provider != "odd" and call.usage and comparable(call.usage):
            theirs = public_cost(call.provider or "", call.request_model or "", call.usage, at)
            # Each side is rounded to 1e-9.
            assert abs(ours.total - theirs) <= Decimal("1e-9"), call
            compared += 1
    priced = sum(cost is not None for *_, cost in found)
    assert compared > 500
    assert len(found) > priced > compared

    # The engine's reasons are those of `prices explain`, and each kind of them was drawn.
    told = Counter[str]()
    for one in read_unpriced_calls(settings, CostQuery(since=at - timedelta(days=1))):
        told[one.reason] += one.calls
    assert told == reasons
    assert set(told) == set(Unpriced) - {Unpriced.FAILED, Unpriced.NOT_HELD}
