"""Usage as Bedrock counts it: in bodies by a dozen names, in the last message of a stream, and in headers."""

from collections.abc import Mapping
from typing import Any, Final

from tokentrail.producers.wire import anthropic, openai_usage
from tokentrail.producers.wire.decoding import list_of, sum_of, tokens_of
from tokentrail.schemas.events import Usage

_IN: Final = ("inputTokens", "inputTokenCount", "inputTextTokenCount", "prompt_token_count")
_OUT: Final = ("outputTokens", "outputTokenCount", "totalOutputTextTokenCount", "tokenCount", "generation_token_count")
_READ: Final = ("cacheReadInputTokens", "cacheReadInputTokenCount")
_WRITTEN: Final = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")
_HEADERS: Final = {
    b"x-amzn-bedrock-input-token-count": "inputTokenCount",
    b"x-amzn-bedrock-output-token-count": "outputTokenCount",
    b"x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokenCount",
    b"x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokenCount",
}


def usage_of(given: dict[str, Any]) -> Usage | None:
    """Return Bedrock's counts as a vector. Its input leaves out both cache counts: the total is their sum.

    Claude's and OpenAI's models, invoked directly, count in their makers' words. Source for the sum:
    docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html.
    """
    if "prompt_tokens" in given:
        return openai_usage.usage_of(given)
    if "input_tokens" in given:
        return anthropic.usage_of(given)
    fresh, total_out = tokens_of(given, *_IN), tokens_of(given, *_OUT)
    if fresh is None and total_out is None:
        return None
    read, written = tokens_of(given, *_READ), tokens_of(given, *_WRITTEN)
    hour = _written_for_an_hour(given)
    return Usage(
        input_tokens=None if fresh is None else sum_of(fresh, read, written),
        output_tokens=total_out,
        cache_read_tokens=read,
        cache_write_5m_tokens=None if written is None else max(0, written - (hour or 0)),
        cache_write_1h_tokens=hour,
    )


def usage_in_headers(headers: Mapping[bytes, bytes]) -> dict[str, int]:
    """Return the counts that InvokeModel's headers tell, by the names that streams give them."""
    counts = {}
    for header, name in _HEADERS.items():
        value = headers.get(header, b"")
        if value.isdigit() and len(value) <= 9:  # noqa: PLR2004 - an event holds no larger count
            counts[name] = int(value)
    return counts


def holds_totals(given: dict[str, Any] | None) -> bool:
    """Say whether both totals are told."""
    usage = usage_of(given) if given else None
    return usage is not None and usage.input_tokens is not None and usage.output_tokens is not None


def _written_for_an_hour(given: dict[str, Any]) -> int | None:
    counts = [
        tokens_of(detail, "inputTokens")
        for detail in list_of(given.get("cacheDetails"))
        if isinstance(detail, dict) and detail.get("ttl") == "1h"
    ]
    return sum_of(*counts)
