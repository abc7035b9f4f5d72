"""What providers document a usage to cost, worked out by hand: from the answer's own usage object to the last digit.

Each case is an answer as a provider sends it and, token by token, what it is billed at; genai-prices, given the same
answer, has to come to the same.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from genai_prices import extract_usage

from tokentrail.processors.cost_explanation import explain_cost
from tokentrail.processors.pricing import PriceBook
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.producers.wire import anthropic, bedrock_usage, cohere, gemini, openai_usage
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, Usage

BOOK = PriceBook(PublicPrices())
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Billed = tuple[tuple[int, str], ...]


class Case(NamedTuple):
    """`billed`: tokens, and USD per million of them. `flavor`: genai-prices' name for the shape of the answer."""

    name: str
    provider: str
    model: str
    flavor: str
    read: Callable[[dict[str, Any]], Usage | None]
    answer: dict[str, Any]
    billed: Billed
    at: datetime = NOON
    tier: str = ""
    fee_usd: str = "0"
    theirs: bool = True
    """Whether genai-prices reads the shape as the provider documents it."""


def chat(**usage: Any) -> dict[str, Any]:
    return {"usage": usage}


OPENAI, CLAUDE, GOOGLE = openai_usage.usage_of, anthropic.usage_of, gemini.usage_of
CASES = [
    Case(
        "chat", "openai", "gpt-4o", "chat", OPENAI,
        chat(prompt_tokens=1000, completion_tokens=100),
        ((1000, "2.5"), (100, "10")),
    ),
    Case(
        "chat, cached and reasoning inside the totals", "openai", "gpt-5", "chat", OPENAI,
        chat(
            prompt_tokens=2006, completion_tokens=300, prompt_tokens_details={"cached_tokens": 1920},
            completion_tokens_details={"reasoning_tokens": 128},
        ),
        ((86, "1.25"), (1920, "0.125"), (300, "10")),
    ),
    Case(
        "responses", "openai", "gpt-5", "responses", OPENAI,
        chat(
            input_tokens=1500, output_tokens=250, input_tokens_details={"cached_tokens": 1024},
            output_tokens_details={"reasoning_tokens": 64},
        ),
        ((476, "1.25"), (1024, "0.125"), (250, "10")),
    ),
    Case(
        "chat with audio", "openai", "gpt-realtime", "chat", OPENAI,
        chat(
            prompt_tokens=140, completion_tokens=90, prompt_tokens_details={"audio_tokens": 40},
            completion_tokens_details={"audio_tokens": 60},
        ),
        ((100, "4"), (40, "32"), (30, "16"), (60, "64")),
    ),
    Case(
        "cache writes", "openai", "gpt-5.6-sol", "chat", OPENAI,
        chat(
            prompt_tokens=2006, completion_tokens=300,
            prompt_tokens_details={"cached_tokens": 0, "cache_write_tokens": 1920},
        ),
        ((86, "5"), (1920, "6.25"), (300, "30")), datetime(2026, 7, 29, tzinfo=UTC),
    ),
    Case(
        "below a long context", "openai", "gpt-5.6-terra", "chat", OPENAI,
        chat(prompt_tokens=272_000, completion_tokens=10),
        ((272_000, "2"), (10, "12")),
    ),
    Case(
        "a long context, all of it dearer", "openai", "gpt-5.6-terra", "chat", OPENAI,
        chat(prompt_tokens=272_001, completion_tokens=10, prompt_tokens_details={"cached_tokens": 1}),
        ((272_000, "4"), (1, "0.4"), (10, "18")),
    ),
    Case(
        "the day before a price changes", "openai", "gpt-5.6-luna", "chat", OPENAI,
        chat(prompt_tokens=1000, completion_tokens=100),
        ((1000, "1"), (100, "6")), datetime(2026, 7, 29, 23, 59, 59, tzinfo=UTC),
    ),
    Case(
        "the day a price changes", "openai", "gpt-5.6-luna", "chat", OPENAI,
        chat(prompt_tokens=1000, completion_tokens=100),
        ((1000, "0.2"), (100, "1.2")), datetime(2026, 7, 30, tzinfo=UTC),
    ),
    Case(
        "priority", "openai", "gpt-4o", "chat", OPENAI,
        chat(prompt_tokens=1000, completion_tokens=100),
        ((1000, "4.25"), (100, "17")), tier="priority", theirs=False,
    ),
    Case(
        "batch", "openai", "gpt-4o", "chat", OPENAI,
        chat(prompt_tokens=1000, completion_tokens=100),
        ((1000, "1.25"), (100, "5")), tier="batch", theirs=False,
    ),
    Case(
        "messages, both cache fields beside the input", "anthropic", "claude-sonnet-4-20250514", "default", CLAUDE,
        chat(
            input_tokens=504, output_tokens=97, cache_creation_input_tokens=123, cache_read_input_tokens=1000,
            cache_creation={"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 23},
        ),
        ((504, "3"), (100, "3.75"), (23, "6"), (1000, "0.3"), (97, "15")),
    ),
    Case(
        "messages, a long context counted with its cache", "anthropic", "claude-sonnet-4-5", "default", CLAUDE,
        chat(input_tokens=150_000, output_tokens=1000, cache_read_input_tokens=60_000),
        ((150_000, "6"), (60_000, "0.6"), (1000, "22.5")),
    ),
    Case(
        "generateContent, thoughts and tools beside the totals", "google", "gemini-2.5-pro", "default", GOOGLE,
        {
            "usageMetadata": {
                "promptTokenCount": 1000, "cachedContentTokenCount": 400, "candidatesTokenCount": 100,
                "thoughtsTokenCount": 50, "toolUsePromptTokenCount": 30, "totalTokenCount": 1180,
            }
        },
        ((630, "1.25"), (400, "0.125"), (150, "10")),
    ),
    Case(
        "generateContent, a long context", "google", "gemini-2.5-pro", "default", GOOGLE,
        {"usageMetadata": {"promptTokenCount": 250_000, "candidatesTokenCount": 100}},
        ((250_000, "2.5"), (100, "15")),
    ),
    Case(
        "generateContent with audio", "google", "gemini-2.5-flash", "default", GOOGLE,
        {
            "usageMetadata": {
                "promptTokenCount": 500, "candidatesTokenCount": 100,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 300}, {"modality": "AUDIO", "tokenCount": 200},
                ],
            }
        },
        ((300, "0.3"), (200, "1"), (100, "2.5")),
    ),
    Case(
        "cache hits beside the totals", "deepseek", "deepseek-chat", "chat", OPENAI,
        chat(
            prompt_tokens=1000, completion_tokens=100, prompt_cache_hit_tokens=640, prompt_cache_miss_tokens=360,
            prompt_tokens_details={"cached_tokens": 640},
        ),
        ((360, "0.27"), (640, "0.07"), (100, "1.1")),
    ),
    Case(
        "cached in details", "mistral", "mistral-large-2512", "default", OPENAI,
        chat(prompt_tokens=1013, completion_tokens=30, prompt_tokens_details={"cached_tokens": 1008}),
        ((5, "0.5"), (1008, "0.05"), (30, "1.5")),
    ),
    Case(
        "billed units", "cohere", "command-r-plus", "default", cohere.usage_of,
        chat(billed_units={"input_tokens": 13, "output_tokens": 8}, tokens={"input_tokens": 542, "output_tokens": 8}),
        ((13, "2.5"), (8, "10")),
    ),
    Case(
        "reasoning beside the completion", "x-ai", "grok-4", "chat", OPENAI,
        chat(
            prompt_tokens=32, completion_tokens=9, total_tokens=135,
            completion_tokens_details={"reasoning_tokens": 94},
        ),
        ((32, "3"), (103, "15")), theirs=False,
    ),
    Case(
        "Converse, both cache counts beside the input", "aws", "amazon.nova-lite-v1:0", "default",
        bedrock_usage.usage_of,
        chat(inputTokens=200, outputTokens=30, totalTokens=730, cacheReadInputTokens=500, cacheWriteInputTokens=0),
        ((200, "0.06"), (500, "0.015"), (30, "0.24")),
    ),
    Case(
        "a fee per request", "perplexity", "sonar", "default", OPENAI,
        chat(prompt_tokens=100, completion_tokens=200),
        ((100, "1"), (200, "1")), fee_usd="0.012",
    ),
]  # fmt: skip


def usage_of(case: Case) -> Usage | None:
    return case.read(case.answer.get("usage") or case.answer["usageMetadata"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.provider}: {case.name}")
def test_a_usage_costs_what_the_provider_documents(case: Case) -> None:
    call = CallCompleted(
        schema_version="1.0", event_id="e", producer_id="p", producer_seq=1, prev_hash=GENESIS_HASH, call_id="c",
        occurred_at=case.at, provider=case.provider, request_model=case.model, service_tier=case.tier, status="SUCCESS",
        usage=usage_of(case),
    )  # fmt: skip
    by_hand = sum((tokens * Decimal(rate) for tokens, rate in case.billed), Decimal(0)) / 1_000_000
    told = explain_cost(call.usage, BOOK.rates_for(call, case.at))
    assert told.cost_usd == by_hand + Decimal(case.fee_usd)
    if case.theirs:
        read = extract_usage(
            {**case.answer, "model": case.model, "modelVersion": case.model},
            provider_id=case.provider,
            api_flavor=case.flavor,
        )
        assert read.calc_price(genai_request_timestamp=case.at).total_price == told.cost_usd
