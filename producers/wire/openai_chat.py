"""OpenAI's chat and legacy completions, as OpenAI and everybody compatible with it send them.

Types: openai-python `types/chat/chat_completion_chunk.py`, `types/completion.py`; what others add: docs/providers.md.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tokentrail.producers.wire.decoding import (
    LenientDecoder,
    decode_any,
    dict_of,
    list_of,
    raw_value,
    text_of,
)
from tokentrail.producers.wire.errors import error_beside, error_of
from tokentrail.producers.wire.openai_request import read_openai_request
from tokentrail.producers.wire.openai_usage import usage_of
from tokentrail.producers.wire.prompts import JsonPrompts
from tokentrail.producers.wire.reading import AnswerFacts, RequestRead, SilentHeaders
from tokentrail.schemas.events import Usage


class _Choice(msgspec.Struct, gc=False):
    index: Any = 0
    finish_reason: Any = None
    message: msgspec.Raw = msgspec.Raw(b"")
    text: msgspec.Raw = msgspec.Raw(b"")


class _Delta(msgspec.Struct, gc=False):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None
    audio: Any = None


class _ChunkChoice(msgspec.Struct, gc=False):
    index: Any = 0
    finish_reason: Any = None
    delta: _Delta | None = None
    text: Any = None
    usage: Any = None
    error: Any = None


class _Answer(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    usage: Any = None
    service_tier: Any = None
    error: Any = None
    choices: list[_Choice] | None = None
    message: Any = None
    detail: Any = None
    type: Any = None
    code: Any = None


class _Chunk(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    usage: Any = None
    service_tier: Any = None
    error: Any = None
    choices: list[_ChunkChoice] | None = None
    x_groq: Any = None
    message: Any = None
    type: Any = None
    object: Any = None
    code: Any = None


_answer_of: Final = LenientDecoder(_Answer)
_chunk_of: Final = LenientDecoder(_Chunk)
_delta_of: Final = LenientDecoder(_Delta)


class OpenAIChat(JsonPrompts):
    """Chat and legacy completions; a `WireFormat`. `count` reads usage objects of who counts in its own way."""

    def __init__(self, count: Callable[[dict[str, Any]], Usage | None] = usage_of) -> None:
        self._count = count

    def operation(self, endpoint: str) -> str | None:
        """Return the operation; a stored completion that is only fetched is no new one."""
        path = endpoint.rstrip("/")
        if path.endswith(("/chat/completions", "/agents/completions")):  # the latter is Mistral's
            return "chat"
        if path.endswith("/completions"):
            return "text_completion"
        return "retrieve_chat" if "/chat/completions/" in path else None

    def read_request(self, endpoint: str, body: bytes) -> RequestRead:
        """Read a request's fields."""
        return read_openai_request(endpoint, body)

    def reader(self, operation: str | None, *, keep_text: bool = False) -> "OpenAIChatReader":
        """Return a fresh reader."""
        return OpenAIChatReader(self._count, billed=operation != "retrieve_chat", keep_text=keep_text)


class OpenAIChatReader(SilentHeaders):
    """Reads an answer or a stream; an `AnswerReader`."""

    def __init__(
        self,
        count: Callable[[dict[str, Any]], Usage | None] = usage_of,
        *,
        billed: bool = True,
        keep_text: bool = False,
    ) -> None:
        self.facts = AnswerFacts(count, billed=billed, keep_text=keep_text)

    def read_answer(self, body: bytes) -> None:
        """Take a whole body."""
        answer = _answer_of(body)
        facts = self.facts
        if answer is None:
            if body.lstrip()[:1] == b"[":  # Gemini's compatible endpoint puts an error into a list
                first = list_of(decode_any(body))[:1]
                facts.error = error_of(first[0].get("error")) if first and isinstance(first[0], dict) else None
            return
        facts.ended = True
        self._take_head(answer)
        if facts.error is None and answer.choices is None:
            facts.error = error_beside(answer.message, answer.type, answer.code, answer.detail)
        for choice in answer.choices or ():
            facts.stop(choice.finish_reason, choice.index)
            facts.has_content = True
            if facts.keep_text or facts.provider_usage is None:
                self._take_message(choice)

    def read_chunk(self, payload: bytes) -> bool:
        """Take one chunk; `[DONE]` ends the stream."""
        facts = self.facts
        if payload.startswith(b"[DONE]"):
            facts.ended = True
            return False
        chunk = _chunk_of(payload)
        if chunk is None:
            return False
        self._take_head(chunk)
        if isinstance(chunk.x_groq, dict):
            self._take_groq(chunk.x_groq)
        if facts.error is None and not chunk.choices and "error" in (chunk.object, chunk.type):
            facts.error = error_beside(chunk.message, chunk.type, chunk.code, None)
        spoke = False
        for choice in chunk.choices or ():
            spoke = self._take_choice(choice) or spoke
        facts.has_content = facts.has_content or spoke
        return spoke

    def _take_head(self, head: _Answer | _Chunk) -> None:
        facts = self.facts
        # Azure's first chunk, with the filter's verdict on the prompt, says "" for both.
        if head.id != facts.provider_request_id:  # once a stream: every chunk says the same again
            facts.provider_request_id = text_of(head.id) or facts.provider_request_id
        if head.model != facts.model:
            facts.model = text_of(head.model) or facts.model
        if head.service_tier != facts.service_tier:
            facts.service_tier = text_of(head.service_tier) or facts.service_tier
        if head.usage and isinstance(head.usage, dict):
            facts.provider_usage = head.usage
        if head.error:
            facts.error = error_of(head.error, head.code) or facts.error

    def _take_groq(self, extra: dict[str, Any]) -> None:
        usage = dict_of(extra, "usage")
        if usage and self.facts.provider_usage is None:
            self.facts.provider_usage = usage
        if extra.get("error"):
            self.facts.error = error_of(extra["error"]) or self.facts.error

    def _take_choice(self, choice: _ChunkChoice) -> bool:
        facts = self.facts
        facts.stop(choice.finish_reason, choice.index)
        if isinstance(choice.usage, dict) and choice.usage and facts.provider_usage is None:
            facts.provider_usage = choice.usage  # Moonshot says it inside the last choice
        if choice.error:
            facts.error = facts.error or error_of(choice.error)
        if choice.delta is not None and take_delta(facts, choice.delta, _place(choice.index)):
            return True  # Together says the same again as `text`
        facts.say(choice.text, _place(choice.index))
        return bool(choice.text)

    def _take_message(self, choice: _Choice) -> None:
        self.facts.say(raw_value(choice.text), _place(choice.index))
        message = _delta_of(bytes(choice.message)) if bytes(choice.message) else None
        if message is not None:
            take_delta(self.facts, message, _place(choice.index))


def take_delta(facts: AnswerFacts, delta: _Delta, index: int) -> bool:
    """Take what a message, or a piece of one, says; True if it says anything."""
    content = delta.content
    if isinstance(content, list):  # Mistral's magistral answers in blocks
        _take_blocks(facts, content, index)
    elif content:
        facts.say(content, index)
    thought = delta.reasoning_content or delta.reasoning  # vLLM fills both, with the same
    if thought:
        facts.mutter(thought)
    if delta.refusal:
        facts.say(delta.refusal, index)
    called = delta.tool_calls or delta.function_call
    if called:
        for call in list_of(delta.tool_calls):
            _take_function(facts, call.get("function") if isinstance(call, dict) else None)
        _take_function(facts, delta.function_call)
    if isinstance(delta.audio, dict):
        facts.say(delta.audio.get("transcript"), index)
    return bool(content or thought or called or delta.refusal or delta.audio)


def _take_blocks(facts: AnswerFacts, blocks: list[Any], index: int) -> None:
    for block in blocks:
        if not isinstance(block, dict):
            continue
        facts.say(block.get("text"), index)
        for thought in list_of(block.get("thinking")):
            facts.mutter(thought.get("text") if isinstance(thought, dict) else None)


def _take_function(facts: AnswerFacts, function: Any) -> None:
    if isinstance(function, dict):
        facts.mutter(function.get("name"))
        facts.mutter(function.get("arguments"))


def _place(index: Any) -> int:
    return index if type(index) is int else 0
