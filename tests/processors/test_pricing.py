"""Prices: the rates chosen, and the arithmetic, against genai-prices' own."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from call_cost import UNPRICED, cost_of
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st
from public_cost import public_cost

from tokentrail.processors.pricing import PriceBook, Rates
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, Usage

PRICES = PublicPrices()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MODELS = [
    ("openai", "gpt-4o"), ("openai", "gpt-5"), ("openai", "gpt-realtime"), ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-3-5-haiku-latest"), ("google", "gemini-2.5-pro"), ("google", "gemini-2.5-flash"),
    ("deepseek", "deepseek-chat"), ("mistral", "mistral-large-latest"), ("x-ai", "grok-4"),
    ("perplexity", "sonar-deep-research"), ("azure", "gpt-4o"), ("groq", "llama-3.3-70b-versatile"),
]  # fmt: skip
tokens = st.integers(0, 400_000)


def call(provider: str | None, model: str | None, usage: Usage | None = None, **fields: Any) -> CallCompleted:
    return CallCompleted(
        schema_version="1.0", event_id="e", producer_id="p", producer_seq=1, prev_hash=GENESIS_HASH, occurred_at=NOON,
        call_id="c", provider=provider, request_model=model, status="SUCCESS", usage=usage, **fields,
    )  # fmt: skip


def total(provider: str, model: str, usage: Usage, at: datetime = NOON, **fields: str) -> Decimal | None:
    return cost_of(usage, PriceBook(PRICES).rates_for(call(provider, model, usage, **fields), at)).total


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Parts that fit into their totals, and never audio together with cache reads (which genai-prices refuses)."""
    parts = [draw(tokens) for _ in range(3)]
    audio = draw(tokens) if not parts[0] else 0
    reasoning, spoken = draw(st.sampled_from([(0, 0), (7, 0), (0, 9)]))
    return Usage(
        input_tokens=sum(parts) + audio + draw(tokens),
        output_tokens=reasoning + spoken + draw(tokens),
        cache_read_tokens=parts[0],
        cache_write_5m_tokens=parts[1],
        cache_write_1h_tokens=parts[2],
        input_audio_tokens=audio,
        reasoning_tokens=reasoning,
        output_audio_tokens=spoken,
    )


@given(st.sampled_from(MODELS), usages(), st.integers(0, 86_399))
def test_a_call_costs_what_genai_prices_says(model: tuple[str, str], usage: Usage, second: int) -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=second)
    ours = total(*model, usage, at)
    if usage.input_tokens or usage.output_tokens:
        assert ours is not None
        # Each side is rounded to 1e-9.
        assert abs(ours - public_cost(*model, usage, at)) <= Decimal("1e-9")


def test_every_listed_model_with_token_prices_agrees_with_genai_prices() -> None:
    usage, compared = Usage(input_tokens=300_000, output_tokens=1_000, cache_read_tokens=1_000), 0
    for provider in get_snapshot().providers:
        # Every fifth: all of them take half a minute.
        for model in provider.models[::5]:
            tariffs = PRICES.tariffs(provider.id, model.id, "", NOON.date())
            if provider.find_model(model.id) is not model or tariffs is None:
                continue
            ours = total(provider.id, model.id, usage)
            if ours is not None:
                theirs = public_cost(provider.id, model.id, usage, NOON)
                assert abs(ours - theirs) <= Decimal("1e-9"), (provider.id, model.id)
                compared += 1
    assert compared > 250


def test_no_listed_rate_has_more_digits_than_the_ledger_keeps() -> None:
    for provider in get_snapshot().providers:
        for model in provider.models:
            for tariff in PRICES.tariffs(provider.id, model.id, "", NOON.date()) or ():
                for rate in (tariff.rates.input, tariff.rates.output, tariff.rates.cache_read):
                    assert rate is None or rate == round(rate, 9)


def test_a_long_context_prices_every_token_of_the_call() -> None:
    assert total("anthropic", "claude-sonnet-4-5", Usage(input_tokens=200_000)) == Decimal("0.6")
    assert total("anthropic", "claude-sonnet-4-5", Usage(input_tokens=200_001)) == Decimal("1.200006")


def test_a_price_follows_the_hour_where_the_provider_has_hours() -> None:
    usage = Usage(input_tokens=1_000_000)
    night, day = NOON.replace(hour=0), NOON.replace(hour=0, minute=30)
    assert total("deepseek", "deepseek-chat", usage, night) == Decimal("0.135")
    assert total("deepseek", "deepseek-chat", usage, day) == Decimal("0.27")


@pytest.mark.parametrize(
    ("provider", "model"),
    [("nobody", "gpt-4o"), ("my-openai-relay", "gpt-4o"), ("openai", "gpt-unheard"), (None, "gpt-4o")],
)
def test_what_is_not_listed_by_name_has_no_price(provider: str | None, model: str) -> None:
    assert PriceBook(PRICES).rates_for(call(provider, model), NOON) is None


def test_names_of_the_genai_conventions_are_understood() -> None:
    for name, listed in (
        ("azure.ai.openai", "azure"),
        ("gcp.vertex_ai", "google"),
        ("aws.bedrock", "aws"),
        ("x_ai", "x-ai"),
    ):
        model = {"azure": "gpt-4o", "google": "gemini-2.5-pro", "aws": "amazon.nova-lite-v1:0", "x-ai": "grok-4"}[
            listed
        ]
        rates = PriceBook(PRICES).rates_for(call(name, model), NOON)
        assert rates is not None
        assert rates.provider == listed


def test_a_service_tier_has_its_own_price_or_none() -> None:
    usage = Usage(input_tokens=1_000_000)
    assert total("openai", "gpt-4o", usage, service_tier="default") == Decimal("2.5")
    assert total("openai", "gpt-4o", usage, service_tier="priority") == Decimal("4.25")
    assert total("openai", "gpt-4o", usage, service_tier="batch") == Decimal("1.25")
    assert total("openai", "gpt-4o", usage, service_tier="scale") is None
    # Before that price was known, the standard price would be a guess.
    assert total("openai", "gpt-4o", usage, NOON - timedelta(days=200), service_tier="priority") is None


def test_the_model_that_answered_is_priced() -> None:
    rates = PriceBook(PRICES).rates_for(call("openai", "gpt-4o", response_model="gpt-4o-mini-2024-07-18"), NOON)
    assert rates is not None
    assert rates.model == "gpt-4o-mini"


def test_parts_beyond_their_total_price_nothing() -> None:
    rates = Rates(
        price_source="s",
        price_version="1",
        provider="p",
        model="m",
        input=Decimal(1),
        output=Decimal(1),
        cache_read=Decimal(0),
    )
    assert cost_of(Usage(input_tokens=5, cache_read_tokens=6), rates) == UNPRICED
    assert cost_of(None, rates) == UNPRICED
    assert cost_of(Usage(), rates) == UNPRICED
    assert cost_of(Usage(input_tokens=0, output_tokens=0), rates).total == 0


def test_equal_rates_have_one_id_and_other_rates_another() -> None:
    rates = [Rates(price_source="s", price_version=version, provider="p", model="m") for version in "112"]
    assert rates[0].rate_id == rates[1].rate_id != rates[2].rate_id


def test_the_memory_of_answers_is_bounded() -> None:
    book = PriceBook()
    for number in range(20_050):
        book.rates_for(call("p", f"model-{number}"), NOON)
    assert len(book._remembered) <= 20_000


def test_a_book_asks_its_sources_in_order() -> None:
    class Own:
        def tariffs(self, _provider: str, model: str, _tier: str, _day: date) -> None:
            asked.append(model)

    asked: list[str] = []
    assert PriceBook(Own(), PRICES).rates_for(call("openai", "gpt-4o"), NOON) is not None
    assert asked == ["gpt-4o"]
