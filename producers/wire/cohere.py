"""Cohere's API: chat, embed and rerank in its second version, and chat in its first.

Types: cohere-python `v2/types/`, `types/usage.py`, `types/streamed_chat_response.py`.
"""

from typing import Any, Final

import msgspec

from tokentrail.producers.wire.decoding import LenientDecoder, dict_of, list_of, raw_value, text_of, tokens_of
from tokentrail.producers.wire.errors import WireError, error_beside, error_of
from tokentrail.producers.wire.openai_request import read_openai_request
from tokentrail.producers.wire.prompts import JsonPrompts
from tokentrail.producers.wire.reading import AnswerFacts, RequestRead, SilentHeaders
from tokentrail.schemas.events import Usage

_ENDINGS: Final = (
    ("/chat", "chat"),
    ("/generate", "text_completion"),
    ("/summarize", "chat"),
    ("/embed", "embeddings"),
    ("/rerank", "rerank"),
    ("/classify", "classify"),
    ("/tokenize", "count_tokens"),
    ("/detokenize", "count_tokens"),
    ("/models", "list_models"),
)
_FREE: Final = frozenset(("count_tokens", "list_models"))
_STOPPED: Final = frozenset(("message-end", "stream-end"))


class _Answer(msgspec.Struct, gc=False):
    id: Any = None
    generation_id: Any = None
    finish_reason: Any = None
    message: msgspec.Raw = msgspec.Raw(b"")
    text: Any = None
    usage: Any = None
    meta: Any = None
    error: Any = None
    detail: Any = None


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    event_type: Any = None
    id: Any = None
    delta: Any = None
    text: Any = None
    response: Any = None
    finish_reason: Any = None
    message: Any = None
    error: Any = None


_answer_of: Final = LenientDecoder(_Answer)
_event_of: Final = LenientDecoder(_Event)


def usage_of(given: dict[str, Any]) -> Usage | None:
    """Return `usage`, or `meta`, as a vector: what was billed, where it is told, for the price is for that.

    `tokens` holds more than `billed_units`: the model's own preamble is read, and not charged for.
    """
    counts = dict_of(given, "billed_units")
    if tokens_of(counts, "input_tokens") is None and tokens_of(counts, "output_tokens") is None:
        counts = dict_of(given, "tokens")
    total_in, total_out = tokens_of(counts, "input_tokens"), tokens_of(counts, "output_tokens")
    if total_in is None and total_out is None:
        return None
    cached = tokens_of(given, "cached_tokens")
    if cached is not None and total_in is not None and cached > total_in:  # cached is counted among `tokens`
        cached = total_in
    return Usage(input_tokens=total_in, output_tokens=total_out, cache_read_tokens=cached)


class Cohere(JsonPrompts):
    """Cohere's API; a `WireFormat`."""

    def operation(self, endpoint: str) -> str | None:
        """Return the operation."""
        path = endpoint.rstrip("/")
        return next((operation for ending, operation in _ENDINGS if path.endswith(ending)), None)

    def read_request(self, endpoint: str, body: bytes) -> RequestRead:
        """Read a request's fields; they are named as OpenAI's."""
        return read_openai_request(endpoint, body)

    def reader(self, operation: str | None, *, keep_text: bool = False) -> "CohereReader":
        """Return a fresh reader."""
        return CohereReader(billed=operation not in _FREE, keep_text=keep_text)


class CohereReader(SilentHeaders):
    """Reads an answer or a stream; an `AnswerReader`. Cohere never says which model answered."""

    def __init__(self, *, billed: bool = True, keep_text: bool = False) -> None:
        self.facts = AnswerFacts(usage_of, billed=billed, keep_text=keep_text)

    def read_answer(self, body: bytes) -> None:
        """Take a whole body; its `message` is the model's, or an error's text."""
        answer = _answer_of(body)
        if answer is None:
            return
        facts = self.facts
        facts.ended = True
        facts.provider_request_id = text_of(answer.id) or text_of(answer.generation_id) or facts.provider_request_id
        facts.stop(answer.finish_reason)
        self._take_usage(answer.usage)
        self._take_usage(answer.meta)
        facts.say(answer.text)
        is_text = bytes(answer.message)[:1] == b'"'
        if answer.error or is_text or answer.detail:
            facts.error = error_of(answer.error) or error_beside(raw_value(answer.message), None, None, answer.detail)
        elif facts.keep_text or facts.provider_usage is None:
            self._take_message(raw_value(answer.message))

    def read_chunk(self, payload: bytes) -> bool:
        """Take one event, of the second version's stream or of the first's."""
        facts = self.facts
        if payload.startswith(b"[DONE]"):
            facts.ended = True
            return False
        event = _event_of(payload)
        if event is None:
            return False
        kind = text_of(event.type) or text_of(event.event_type)
        facts.ended = facts.ended or kind in _STOPPED
        facts.provider_request_id = text_of(event.id) or facts.provider_request_id
        facts.stop(event.finish_reason)
        delta = event.delta if isinstance(event.delta, dict) else {}
        self._take_end(delta)
        if isinstance(event.response, dict):
            facts.provider_request_id = text_of(event.response.get("generation_id")) or facts.provider_request_id
            self._take_usage(event.response.get("meta"))
        if isinstance(event.message, str) or event.error:
            facts.error = error_of(event.error) or error_beside(event.message, None, None, None)
        before = facts.output_size.chars
        if kind == "text-generation":
            facts.say(event.text)
        self._take_message(delta.get("message"))
        return facts.output_size.chars > before

    def _take_end(self, delta: dict[str, Any]) -> None:
        facts = self.facts
        facts.stop(delta.get("finish_reason"))
        self._take_usage(delta.get("usage"))
        if isinstance(delta.get("error"), str):
            facts.error = WireError(None, None, delta["error"])

    def _take_usage(self, given: Any) -> None:
        if isinstance(given, dict) and ("billed_units" in given or "tokens" in given):
            self.facts.provider_usage = {
                name: given[name] for name in ("billed_units", "tokens", "cached_tokens") if name in given
            }

    def _take_message(self, message: Any) -> None:
        """Take a message, or a piece of one: content is a list in the former and an object in the latter."""
        if not isinstance(message, dict):
            return
        content = message.get("content")
        for block in content if isinstance(content, list) else [content]:
            if isinstance(block, dict):
                self.facts.say(block.get("text"))
                self.facts.mutter(block.get("thinking"))
        self.facts.mutter(message.get("tool_plan"))
        calls = message.get("tool_calls")
        for call in [calls] if isinstance(calls, dict) else list_of(calls):
            function = dict_of(call, "function") if isinstance(call, dict) else {}
            self.facts.mutter(function.get("name"))
            self.facts.mutter(function.get("arguments"))
