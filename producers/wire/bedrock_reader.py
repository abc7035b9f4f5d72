"""Reads what Bedrock answers, of whatever model family: families are told apart by the fields of their bodies."""

import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import field

from tokentrail.producers.wire.anthropic import AnthropicReader
from tokentrail.producers.wire.bedrock_usage import holds_totals, usage_in_headers, usage_of
from tokentrail.producers.wire.decoding import LenientDecoder, dict_of, json_text, list_of, raw_value, text_of
from tokentrail.producers.wire.errors import WireError, name_of
from tokentrail.producers.wire.openai_chat import OpenAIChatReader
from tokentrail.producers.wire.reading import AnswerFacts

_NOTHING: Final = msgspec.Raw(b"")


class _Body(msgspec.Struct, gc=False, rename="camel"):
    """A whole answer, or what a chunk of InvokeModel's stream holds: all families' fields in one."""

    type: Any = None
    choices: msgspec.Raw = _NOTHING
    output: msgspec.Raw = _NOTHING
    stop_reason: Any = None
    usage: Any = None
    service_tier: Any = None
    input_text_token_count: Any = None
    total_output_text_token_count: Any = None
    output_text: Any = None
    completion_reason: Any = None
    results: msgspec.Raw = _NOTHING
    generation: Any = None
    prompt_token_count: Any = field(default=None, name="prompt_token_count")
    generation_token_count: Any = field(default=None, name="generation_token_count")
    llama_stop_reason: Any = field(default=None, name="stop_reason")
    outputs: Any = None
    metrics: Any = field(default=None, name="amazon-bedrock-invocationMetrics")
    message: Any = None
    capital_message: Any = field(default=None, name="Message")
    error_type: Any = field(default=None, name="__type")


class _Event(msgspec.Struct, gc=False, rename="camel"):
    """One message of a stream, under its event's name."""

    chunk: Any = None
    content_block_start: Any = None
    content_block_delta: Any = None
    message_stop: Any = None
    metadata: Any = None
    internal_server_exception: Any = None
    model_stream_error_exception: Any = None
    validation_exception: Any = None
    throttling_exception: Any = None
    service_unavailable_exception: Any = None
    model_timeout_exception: Any = None


_EXCEPTIONS: Final = {
    found.name: found.encode_name for found in msgspec.structs.fields(_Event) if found.name.endswith("_exception")
}
_body_of: Final = LenientDecoder(_Body)
_event_of: Final = LenientDecoder(_Event)


class BedrockReader:
    """Reads an answer or a stream; an `AnswerReader`. Payloads are those of `EventStreamFramer`."""

    def __init__(self, *, billed: bool = True, keep_text: bool = False) -> None:
        self.facts = AnswerFacts(usage_of, billed=billed, keep_text=keep_text)
        self._error_type: str | None = None
        self._header_counts: dict[str, Any] = {}
        # They read bodies of their families into the same facts.
        self._claude = AnthropicReader()
        self._openai = OpenAIChatReader()
        self._claude.facts = self._openai.facts = self.facts

    def read_headers(self, headers: Mapping[bytes, bytes]) -> None:
        """Take the counts, for bodies that tell none, the tier, the request's id and an error's type."""
        self._header_counts = usage_in_headers(headers)
        self.facts.provider_request_id = headers.get(b"x-amzn-requestid", b"").decode("latin-1") or None
        self.facts.service_tier = headers.get(b"x-amzn-bedrock-service-tier", b"").decode("latin-1") or None
        kind = headers.get(b"x-amzn-errortype", b"").partition(b":")[0]
        self._error_type = kind.decode("latin-1") or None

    def read_answer(self, body: bytes) -> None:
        """Take a whole body."""
        answer = _body_of(body)
        if answer is None:
            return
        self.facts.ended = True
        if answer.type == "message":
            self._claude.read_answer(body)
        elif bytes(answer.choices):
            self._openai.read_answer(body)
        else:
            self._take_body(answer)
            self._take_error(answer)
        if self.facts.provider_usage is None:
            self.facts.provider_usage = self._header_counts or None

    def read_chunk(self, payload: bytes) -> bool:
        """Take one message of a stream."""
        event = _event_of(payload)
        if event is None:
            return False
        if isinstance(event.chunk, dict):
            inner = _bytes_of(event.chunk.get("bytes"))
            return inner is not None and self._take_chunk(inner)
        return self._take_event(event)

    def _take_chunk(self, inner: bytes) -> bool:
        """Take what InvokeModel streams: a message of the family's own stream."""
        body = _body_of(inner)
        if body is None:
            return False
        if isinstance(body.metrics, dict) and not holds_totals(self.facts.provider_usage):
            self.facts.provider_usage = body.metrics
        if body.type is not None:
            return self._claude.read_chunk(inner)
        if bytes(body.choices):
            return self._openai.read_chunk(inner)
        event = _event_of(inner)
        spoke = event is not None and self._take_event(event)
        return self._take_body(body) or spoke

    def _take_event(self, event: _Event) -> bool:
        facts = self.facts
        for name, kind in _EXCEPTIONS.items():
            told = getattr(event, name)
            if isinstance(told, dict):
                code = name_of(told.get("originalStatusCode"))
                message = told.get("message") or told.get("originalMessage")
                facts.error = WireError(kind, code, message if isinstance(message, str) else None)
        if isinstance(event.message_stop, dict):
            facts.stop(event.message_stop.get("stopReason"))
        if isinstance(event.metadata, dict):  # the last message, after the one that says stop
            facts.ended = True
            facts.provider_usage = dict_of(event.metadata, "usage") or facts.provider_usage
            facts.service_tier = text_of(dict_of(event.metadata, "serviceTier").get("type")) or facts.service_tier
        started = event.content_block_start
        if isinstance(started, dict):
            tool = dict_of(dict_of(started, "start"), "toolUse")
            facts.mutter(text_of(tool.get("name")))
            return bool(tool)
        said = event.content_block_delta
        return isinstance(said, dict) and self._take_delta(dict_of(said, "delta"))

    def _take_delta(self, delta: dict[str, Any]) -> bool:
        before = self.facts.output_size.chars
        self.facts.say(delta.get("text"))
        self.facts.mutter(dict_of(delta, "reasoningContent").get("text"))
        self.facts.mutter(dict_of(delta, "toolUse").get("input"))
        return self.facts.output_size.chars > before

    def _take_body(self, body: _Body) -> bool:
        facts = self.facts
        before = facts.output_size.chars
        if isinstance(body.usage, dict) and body.usage:
            facts.provider_usage = body.usage
        self._take_counts(
            inputTextTokenCount=body.input_text_token_count,
            totalOutputTextTokenCount=body.total_output_text_token_count,
            prompt_token_count=body.prompt_token_count,
            generation_token_count=body.generation_token_count,
        )
        facts.stop(body.stop_reason or body.completion_reason or body.llama_stop_reason)
        facts.service_tier = text_of(dict_of({"": body.service_tier}, "").get("type")) or facts.service_tier
        facts.say(body.output_text)
        facts.say(body.generation)
        for output in list_of(body.outputs):
            if isinstance(output, dict):
                facts.say(output.get("text"))
                facts.stop(output.get("stop_reason"))
        self._take_results(body)
        if facts.keep_text or facts.provider_usage is None:
            self._take_message(raw_value(body.output))
        return facts.output_size.chars > before

    def _take_counts(self, **counts: Any) -> None:
        """Take counts that stand among a family's other fields; in a stream they are totals so far."""
        told = {name: count for name, count in counts.items() if type(count) is int}
        if told:
            self.facts.provider_usage = {**(self.facts.provider_usage or {}), **told}

    def _take_results(self, body: _Body) -> None:
        """Titan's texts."""
        for result in list_of(raw_value(body.results)):
            if isinstance(result, dict):
                self.facts.say(result.get("outputText"))
                self.facts.stop(result.get("completionReason"))
                self._take_counts(tokenCount=result.get("tokenCount"))

    def _take_message(self, output: Any) -> None:
        """Converse's and Nova's message."""
        message = dict_of(output, "message") if isinstance(output, dict) else {}
        for block in list_of(message.get("content")):
            if isinstance(block, dict):
                self.facts.say(block.get("text"))
                self.facts.mutter(dict_of(dict_of(block, "reasoningContent"), "reasoningText").get("text"))
                tool = dict_of(block, "toolUse")
                self.facts.mutter(text_of(tool.get("name")))
                self.facts.mutter(json_text(tool["input"]) if tool.get("input") else None)

    def _take_error(self, body: _Body) -> None:
        message = text_of(body.message) or text_of(body.capital_message)
        kind = self._error_type or text_of(body.error_type)
        if message is not None or kind is not None:
            self.facts.error = WireError(kind, None, message)


def _bytes_of(encoded: Any) -> bytes | None:
    if not isinstance(encoded, str):
        return None
    try:
        return binascii.a2b_base64(encoded)
    except ValueError:
        return None
