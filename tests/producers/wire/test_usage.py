"""Counts become one vector whichever way a provider counts, and estimates stand in only where nobody counted."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokentrail.producers.wire import anthropic, bedrock_usage, cohere, gemini, openai_usage
from tokentrail.producers.wire.anthropic import AnthropicReader
from tokentrail.producers.wire.estimates import TextSize, estimate_usage, size_of
from tokentrail.producers.wire.openai_chat import OpenAIChatReader
from tokentrail.producers.wire.usage import settle_usage
from tokentrail.schemas.events import Usage, UsageSource

COUNTS = [openai_usage, anthropic, gemini, bedrock_usage, cohere]


def unasked() -> TextSize:
    raise AssertionError("the prompt was read for nothing")


@pytest.mark.parametrize("counter", COUNTS)
@given(given=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=3) | st.none(), max_size=4))
@settings(max_examples=30, deadline=None)
def test_object_without_totals_has_no_usage(counter: Any, given: dict[str, Any]) -> None:
    assert counter.usage_of(given) is None


@pytest.mark.parametrize("bad", [-1, 1.5, "7", True, None, 10**12, [], {}])
def test_unbelievable_count_is_no_count(bad: Any) -> None:
    usage = openai_usage.usage_of({"prompt_tokens": 5, "completion_tokens": bad})

    assert usage == Usage(input_tokens=5)


@pytest.mark.parametrize(
    ("counter", "given"),
    [
        (anthropic, {"input_tokens": 10**9, "cache_read_input_tokens": 10**9, "output_tokens": 1}),
        (gemini, {"promptTokenCount": 10**9, "toolUsePromptTokenCount": 10**9, "candidatesTokenCount": 1}),
        (bedrock_usage, {"inputTokens": 10**9, "cacheReadInputTokens": 10**9, "outputTokens": 1}),
    ],
)
def test_sum_past_belief_is_no_count(counter: Any, given: dict[str, Any]) -> None:
    usage = counter.usage_of(given)

    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (None, 1)


@settings(deadline=None)
@given(
    st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)
)
def test_anthropic_input_is_the_sum_of_fresh_and_cached(fresh: int, read: int, short: int, long: int, out: int) -> None:
    usage = anthropic.usage_of(
        {
            "input_tokens": fresh,
            "output_tokens": out,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": short + long,
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        }
    )

    assert usage == Usage(
        input_tokens=fresh + read + short + long,
        output_tokens=out,
        cache_read_tokens=read,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
    )


def test_anthropic_write_without_lifetime_is_one_of_five_minutes() -> None:
    usage = anthropic.usage_of({"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 30})

    assert usage == Usage(input_tokens=31, output_tokens=2, cache_write_5m_tokens=30)


def test_advisor_of_another_model_is_not_counted_in() -> None:
    iterations = [{"type": "advisor_message", "model": "claude-opus", "input_tokens": 900, "output_tokens": 90}]

    assert anthropic.usage_of({"input_tokens": 1, "output_tokens": 2, "iterations": iterations}) == Usage(
        input_tokens=1, output_tokens=2
    )


def test_openai_long_cache_writes_are_told_apart() -> None:
    details = {"cache_write_tokens": 100, "cache_write_tokens_details": {"ttl_30m_tokens": 60, "ttl_12h_tokens": 40}}
    usage = openai_usage.usage_of({"input_tokens": 200, "output_tokens": 1, "input_tokens_details": details})

    assert usage == Usage(input_tokens=200, output_tokens=1, cache_write_5m_tokens=60, cache_write_1h_tokens=40)


def test_reasoning_inside_the_total_is_not_added_to_it() -> None:
    given = {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60}

    inside = openai_usage.usage_of({**given, "completion_tokens_details": {"reasoning_tokens": 40}})
    beside = openai_usage.usage_of(
        {**given, "total_tokens": 100, "completion_tokens_details": {"reasoning_tokens": 40}}
    )

    assert inside == Usage(input_tokens=10, output_tokens=50, reasoning_tokens=40)
    assert beside == Usage(input_tokens=10, output_tokens=90, reasoning_tokens=40)


def test_gemini_thoughts_and_tools_are_added_to_the_totals() -> None:
    usage = gemini.usage_of({"promptTokenCount": 5, "toolUsePromptTokenCount": 3, "thoughtsTokenCount": 7})

    assert usage == Usage(input_tokens=8, output_tokens=7, reasoning_tokens=7)


def test_cohere_cached_tokens_are_never_more_than_the_billed_input() -> None:
    given = {"billed_units": {"input_tokens": 10.0, "output_tokens": 2.0}, "cached_tokens": 180.0}

    assert cohere.usage_of(given) == Usage(input_tokens=10, output_tokens=2, cache_read_tokens=10)


def test_estimate_follows_the_documented_ratios() -> None:
    assert size_of("abcd" * 100).tokens == 100
    assert size_of("天空为什么是蓝色的呀").tokens == 6
    assert size_of("Почему небо").tokens == 5
    assert size_of("").tokens == 0
    assert size_of("a").tokens == 1
    assert estimate_usage("x" * 40, TextSize(ascii_chars=8)) == Usage(input_tokens=10, output_tokens=2)


@given(st.lists(st.text(max_size=30), max_size=10))
@settings(max_examples=60, deadline=None)
def test_size_is_the_same_in_pieces_as_in_one(pieces: list[str]) -> None:
    size = TextSize()
    for piece in pieces:
        size.add(piece)

    assert size == size_of("".join(pieces))
    assert size.chars == len("".join(pieces))


def test_counted_answer_is_not_estimated() -> None:
    reader = OpenAIChatReader()
    reader.read_chunk(b'{"choices":[{"delta":{"content":"Hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}')

    assert settle_usage(reader.facts, unasked) == (Usage(input_tokens=1, output_tokens=2), UsageSource.PROVIDER)


def test_silent_answer_is_missing_and_not_estimated() -> None:
    reader = OpenAIChatReader()
    reader.read_answer(b'{"error":{"message":"no"}}')

    assert settle_usage(reader.facts, unasked) == (None, UsageSource.MISSING)


def test_fetched_answer_is_neither_counted_nor_estimated() -> None:
    reader = OpenAIChatReader(billed=False)
    reader.read_answer(b'{"choices":[{"message":{"content":"Hi"}}]}')

    assert settle_usage(reader.facts, unasked) == (None, UsageSource.MISSING)


def test_stream_left_after_its_input_was_counted_keeps_that_and_estimates_the_rest() -> None:
    reader = AnthropicReader()
    reader.read_chunk(b'{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}')
    reader.read_chunk(msgspec.json.encode({"type": "content_block_delta", "delta": {"text": "x" * 40}}))

    assert reader.facts.usage_is_partial
    assert settle_usage(reader.facts, unasked) == (Usage(input_tokens=9, output_tokens=10), UsageSource.ESTIMATED)
