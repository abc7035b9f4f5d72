"""Usage as OpenAI and its likes count it: cached and reasoning tokens are parts of the totals, with exceptions."""

from typing import Any, Final

import msgspec

from tokentrail.producers.wire.decoding import dict_of, sum_of, tokens_of
from tokentrail.schemas.events import Usage

_IN: Final = ("prompt_tokens", "input_tokens")
_OUT: Final = ("completion_tokens", "output_tokens")


def usage_of(given: dict[str, Any]) -> Usage | None:
    """Return the usage object of chat, completions, responses, embeddings, images or transcription as a vector.

    None where it holds no total, as for audio that is counted in seconds.
    """
    total_in, total_out = tokens_of(given, *_IN), tokens_of(given, *_OUT)
    if total_in is None and total_out is None:
        return None
    details_in = dict_of(given, "prompt_tokens_details", "input_tokens_details", "input_token_details")
    details_out = dict_of(given, "completion_tokens_details", "output_tokens_details", "output_token_details")
    cached = tokens_of(details_in, "cached_tokens")
    if cached is None:  # DeepSeek, Moonshot and Mistral say it beside the totals; it is inside them all the same
        cached = tokens_of(given, "prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")
    reasoning = tokens_of(details_out, "reasoning_tokens")
    if reasoning is None:
        reasoning = tokens_of(given, "reasoning_tokens")
    written, written_long = _cache_writes(details_in)
    return Usage(
        input_tokens=total_in,
        output_tokens=_output(given, total_in, total_out, reasoning),
        cache_read_tokens=cached,
        cache_write_5m_tokens=written,
        cache_write_1h_tokens=written_long,
        reasoning_tokens=reasoning,
        input_audio_tokens=tokens_of(details_in, "audio_tokens"),
        output_audio_tokens=tokens_of(details_out, "audio_tokens"),
    )


def usage_with_thoughts(given: dict[str, Any]) -> Usage | None:
    """Return usage of Gemini's OpenAI-compatible endpoint: its thoughts are in `total_tokens` alone.

    Seen at discuss.ai.google.dev/t/98760: 758 prompt + 102 completion tokens of 1,725 in total.
    """
    usage, total = usage_of(given), tokens_of(given, "total_tokens")
    if usage is None or usage.input_tokens is None or usage.output_tokens is None or total is None:
        return usage
    hidden = total - usage.input_tokens - usage.output_tokens
    if hidden <= 0:
        return usage
    reasoning = hidden if usage.reasoning_tokens is None else usage.reasoning_tokens
    return msgspec.structs.replace(usage, output_tokens=usage.output_tokens + hidden, reasoning_tokens=reasoning)


def _output(given: dict[str, Any], total_in: int | None, total_out: int | None, reasoning: int | None) -> int | None:
    """Return all output tokens. xAI and Perplexity leave reasoning out of `completion_tokens`; their sums tell.

    xAI: docs.x.ai/docs/guides/reasoning (9 completion + 94 reasoning of 135 in total); Perplexity's deep research
    reports more reasoning than completion tokens.
    """
    if not reasoning or total_out is None:
        return total_out
    total = tokens_of(given, "total_tokens")
    with_reasoning = sum_of(total_out, reasoning)
    if reasoning > total_out or (total is not None and total == (total_in or 0) + total_out + reasoning):
        return with_reasoning
    return total_out


def _cache_writes(details: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return tokens written to the cache for minutes and for hours: for 30 minutes, and for 12 hours."""
    written = tokens_of(details, "cache_write_tokens", "cache_creation_tokens")
    if written is None:
        return None, None
    long_lived = tokens_of(dict_of(details, "cache_write_tokens_details"), "ttl_12h_tokens")
    if not long_lived or long_lived > written:
        return written, None
    return written - long_lived, long_lived
