"""Ollama's own API: chat, generate and embed, streamed as JSON lines unless asked otherwise.

Source: docs.ollama.com/api.
"""

from typing import Any, Final

import msgspec

from tokentrail.producers.wire.decoding import (
    LenientDecoder,
    dict_of,
    json_text,
    list_of,
    number_of,
    text_of,
    tokens_of,
)
from tokentrail.producers.wire.errors import error_of
from tokentrail.producers.wire.prompts import JsonPrompts
from tokentrail.producers.wire.reading import AnswerFacts, RequestRead, SilentHeaders
from tokentrail.schemas.events import Usage

_ENDINGS: Final = (
    ("/api/chat", "chat"),
    ("/api/generate", "text_completion"),
    ("/api/embed", "embeddings"),
    ("/api/embeddings", "embeddings"),
    ("/api/tags", "list_models"),
)
_STREAMED: Final = ("/api/chat", "/api/generate")


class _Request(msgspec.Struct, gc=False):
    model: Any = None
    stream: Any = None
    options: Any = None


class _Answer(msgspec.Struct, gc=False):
    model: Any = None
    message: Any = None
    response: Any = None
    thinking: Any = None
    done: Any = None
    done_reason: Any = None
    prompt_eval_count: Any = None
    eval_count: Any = None
    error: Any = None


_request_of: Final = LenientDecoder(_Request)
_answer_of: Final = LenientDecoder(_Answer)


def usage_of(given: dict[str, Any]) -> Usage | None:
    """Return the two counts as a vector. A prompt that was in the model's cache may be missing from the first."""
    return Usage(input_tokens=tokens_of(given, "prompt_eval_count"), output_tokens=tokens_of(given, "eval_count"))


class Ollama(JsonPrompts):
    """Ollama's own API; a `WireFormat`."""

    def operation(self, endpoint: str) -> str | None:
        """Return the operation."""
        path = endpoint.rstrip("/")
        return next((operation for ending, operation in _ENDINGS if path.endswith(ending)), None)

    def read_request(self, endpoint: str, body: bytes) -> RequestRead:
        """Read a request's fields; who does not say `stream` gets one."""
        given = _request_of(body) or _Request()
        options = given.options if isinstance(given.options, dict) else {}
        streams = endpoint.rstrip("/").endswith(_STREAMED)
        return RequestRead(
            model=text_of(given.model),
            stream=given.stream if isinstance(given.stream, bool) else (True if streams else None),
            temperature=number_of(options.get("temperature")),
            max_tokens=tokens_of(options, "num_predict"),
        )

    def reader(self, operation: str | None, *, keep_text: bool = False) -> "OllamaReader":
        """Return a fresh reader."""
        return OllamaReader(billed=operation != "list_models", keep_text=keep_text)


class OllamaReader(SilentHeaders):
    """Reads an answer or a stream of JSON lines; an `AnswerReader`."""

    def __init__(self, *, billed: bool = True, keep_text: bool = False) -> None:
        self.facts = AnswerFacts(usage_of, billed=billed, keep_text=keep_text)

    def read_answer(self, body: bytes) -> None:
        """Take a whole body."""
        self.read_chunk(body)
        self.facts.ended = True

    def read_chunk(self, payload: bytes) -> bool:
        """Take one line."""
        answer = _answer_of(payload)
        if answer is None:
            return False
        facts = self.facts
        facts.model = text_of(answer.model) or facts.model
        facts.stop(answer.done_reason)
        facts.ended = facts.ended or answer.done is True
        facts.error = error_of(answer.error) or facts.error
        counts = {"prompt_eval_count": answer.prompt_eval_count, "eval_count": answer.eval_count}
        told = {name: count for name, count in counts.items() if type(count) is int}
        facts.provider_usage = told or facts.provider_usage
        before = facts.output_size.chars
        facts.say(answer.response)
        facts.mutter(answer.thinking)
        if isinstance(answer.message, dict):
            self._take_message(answer.message)
        return facts.output_size.chars > before

    def _take_message(self, message: dict[str, Any]) -> None:
        facts = self.facts
        facts.say(message.get("content"))
        facts.mutter(message.get("thinking"))
        for call in list_of(message.get("tool_calls")):
            function = dict_of(call, "function") if isinstance(call, dict) else {}
            facts.mutter(function.get("name"))
            facts.mutter(json_text(function["arguments"]) if function.get("arguments") else None)
