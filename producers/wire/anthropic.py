"""Anthropic's Messages API, from Anthropic itself, from Vertex, Azure, Bedrock and relays.

Types: anthropic-sdk-python `types/message.py`, `types/usage.py`, `types/raw_message_stream_event.py`.
"""

from typing import Any, Final

import msgspec

from tokentrail.producers.wire.decoding import (
    LenientDecoder,
    dict_of,
    json_text,
    list_of,
    number_of,
    raw_value,
    sum_of,
    text_of,
    tokens_of,
)
from tokentrail.producers.wire.errors import error_beside, error_of
from tokentrail.producers.wire.prompts import JsonPrompts
from tokentrail.producers.wire.reading import AnswerFacts, RequestRead, SilentHeaders
from tokentrail.schemas.events import Usage

_BATCHES: Final = "/messages/batches"
_TOOL_BLOCKS: Final = frozenset(("tool_use", "server_tool_use", "mcp_tool_use"))


class _Request(msgspec.Struct, gc=False):
    model: Any = None
    stream: Any = None
    temperature: Any = None
    max_tokens: Any = None
    max_tokens_to_sample: Any = None
    metadata: Any = None
    container: Any = None


class _Message(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    usage: Any = None
    stop_reason: Any = None
    content: msgspec.Raw = msgspec.Raw(b"")
    completion: msgspec.Raw = msgspec.Raw(b"")
    type: Any = None
    error: Any = None
    message: Any = None
    detail: Any = None


class _Delta(msgspec.Struct, gc=False):
    type: Any = None
    text: Any = None
    thinking: Any = None
    partial_json: Any = None
    stop_reason: Any = None


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    message: msgspec.Raw = msgspec.Raw(b"")
    delta: _Delta | None = None
    content_block: Any = None
    usage: Any = None
    error: Any = None


_request_of: Final = LenientDecoder(_Request)
_message_of: Final = LenientDecoder(_Message)
_event_of: Final = LenientDecoder(_Event)


def usage_of(given: dict[str, Any]) -> Usage | None:
    """Return a usage object as a vector. `input_tokens` there leaves out both cache fields: the total is their sum.

    What the provider spent on compacting the conversation stands in `iterations` alone, and is counted in. An advisor's
    tokens stand there too, and are not: they are another model's, at another price.
    """
    usage = _vector(given)
    for iteration in list_of(given.get("iterations")):
        if isinstance(iteration, dict) and iteration.get("type") == "compaction":
            usage = _sum(usage, _vector(iteration))
    return usage


def _vector(given: dict[str, Any]) -> Usage | None:
    fresh, total_out = tokens_of(given, "input_tokens"), tokens_of(given, "output_tokens")
    if fresh is None and total_out is None:
        return None
    read, written = tokens_of(given, "cache_read_input_tokens"), tokens_of(given, "cache_creation_input_tokens")
    lifetimes = dict_of(given, "cache_creation")
    hour, minutes = tokens_of(lifetimes, "ephemeral_1h_input_tokens"), tokens_of(lifetimes, "ephemeral_5m_input_tokens")
    if written is None and (hour is not None or minutes is not None):
        written = sum_of(hour, minutes)
    if minutes is None and written is not None:
        minutes = max(0, written - (hour or 0))  # five minutes is what a write costs unless it says else
    return Usage(
        input_tokens=None if fresh is None else sum_of(fresh, read, written),
        output_tokens=total_out,
        cache_read_tokens=read,
        cache_write_5m_tokens=minutes,
        cache_write_1h_tokens=hour,
        reasoning_tokens=tokens_of(dict_of(given, "output_tokens_details"), "thinking_tokens", "reasoning_tokens"),
    )


def _sum(one: Usage | None, other: Usage | None) -> Usage | None:
    if one is None or other is None:
        return one or other
    return Usage(**{name: sum_of(getattr(one, name), getattr(other, name)) for name in one.__struct_fields__})


class Anthropic(JsonPrompts):
    """The Messages API; a `WireFormat`."""

    def operation(self, endpoint: str) -> str | None:
        """Return the operation. Vertex's paths end in a verb: `…/models/claude-x:streamRawPredict`."""
        path = endpoint.rstrip("/")
        if path.endswith(("/count_tokens", "count-tokens:rawPredict")):
            return "count_tokens"
        if path.endswith(("/messages", ":rawPredict", ":streamRawPredict")):
            return "chat"
        if path.endswith("/complete"):
            return "text_completion"
        if _BATCHES in path:
            return "create_batch" if path.endswith(_BATCHES) else "retrieve_batch"
        return None

    def read_request(self, endpoint: str, body: bytes) -> RequestRead:
        """Read a request's fields."""
        given = _request_of(body) or _Request()
        metadata = given.metadata if isinstance(given.metadata, dict) else {}
        container = given.container.get("id") if isinstance(given.container, dict) else given.container
        return RequestRead(
            model=text_of(given.model) or _model_of(endpoint),
            stream=given.stream if isinstance(given.stream, bool) else endpoint.endswith(":streamRawPredict") or None,
            temperature=number_of(given.temperature),
            max_tokens=tokens_of({"a": given.max_tokens, "b": given.max_tokens_to_sample}, "a", "b"),
            user_id=text_of(metadata.get("user_id")),
            session_id=text_of(container),
        )

    def reader(self, operation: str | None, *, keep_text: bool = False) -> "AnthropicReader":
        """Return a fresh reader."""
        return AnthropicReader(billed=operation in {None, "chat", "text_completion"}, keep_text=keep_text)


class AnthropicReader(SilentHeaders):
    """Reads a message or a stream; an `AnswerReader`."""

    def __init__(self, *, billed: bool = True, keep_text: bool = False) -> None:
        self.facts = AnswerFacts(usage_of, billed=billed, keep_text=keep_text)

    def read_answer(self, body: bytes) -> None:
        """Take a whole body."""
        message = _message_of(body)
        if message is None:
            return
        facts = self.facts
        facts.ended = True
        self._take_message(message)
        if message.error or message.type == "error":
            facts.error = error_of(message.error) or error_beside(message.message, None, None, None)
        elif message.type is None and message.usage is None:  # proxies and gateways in front
            facts.error = error_beside(message.message, None, None, message.detail)
        if facts.keep_text or facts.provider_usage is None:
            facts.say(raw_value(message.completion))
            for block in list_of(raw_value(message.content)):
                if isinstance(block, dict):
                    _take_block(facts, block)

    def read_chunk(self, payload: bytes) -> bool:
        """Take one event."""
        facts = self.facts
        event = _event_of(payload)
        if event is None:
            return False
        if event.type == "content_block_delta":
            return event.delta is not None and self._take_delta(event.delta)
        if event.type == "content_block_start":
            return self._take_start(event.content_block)
        if event.type == "message_start":
            message = _message_of(bytes(event.message))
            if message is not None:
                self._take_message(message)
                facts.usage_is_partial = facts.provider_usage is not None
        elif event.type == "message_delta":
            self._take_end(event)
        facts.ended = facts.ended or event.type == "message_stop"
        facts.error = error_of(event.error) or facts.error
        return False

    def _take_end(self, event: _Event) -> None:
        facts = self.facts
        if event.delta is not None:
            facts.stop(event.delta.stop_reason)
        if isinstance(event.usage, dict):
            self._set_usage(event.usage)
            facts.usage_is_partial = False

    def _take_message(self, message: _Message) -> None:
        facts = self.facts
        facts.model = text_of(message.model) or facts.model
        facts.provider_request_id = text_of(message.id) or facts.provider_request_id
        facts.stop(message.stop_reason)
        if isinstance(message.usage, dict) and message.usage:
            self._set_usage(message.usage)

    def _set_usage(self, given: dict[str, Any]) -> None:
        """Counts of a later event are totals so far: they replace the earlier ones, and null leaves them."""
        facts = self.facts
        told = {name: value for name, value in given.items() if value is not None}
        facts.provider_usage = {**(facts.provider_usage or {}), **told} or None
        facts.service_tier = text_of(given.get("service_tier")) or facts.service_tier

    def _take_delta(self, delta: _Delta) -> bool:
        facts = self.facts
        if delta.text:
            facts.say(delta.text)
        elif delta.thinking:
            facts.mutter(delta.thinking)
        elif delta.partial_json:
            facts.mutter(delta.partial_json)
        else:  # signatures and citations are no words of the model
            return False
        return True

    def _take_start(self, block: Any) -> bool:
        facts = self.facts
        if not isinstance(block, dict):
            return False
        if text_of(block.get("type")) in _TOOL_BLOCKS:
            facts.mutter(block.get("name"))
            return True
        facts.say(block.get("text"))
        return bool(block.get("text"))


def _take_block(facts: AnswerFacts, block: dict[str, Any]) -> None:
    facts.say(block.get("text"))
    facts.mutter(block.get("thinking"))
    if isinstance(block.get("input"), dict):
        facts.mutter(block.get("name"))
        facts.mutter(json_text(block["input"]))


def _model_of(endpoint: str) -> str | None:
    _, found, rest = endpoint.rpartition("/models/")
    return text_of(rest.partition(":")[0]) if found else None
