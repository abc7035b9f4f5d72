"""OpenAI's Responses API: a whole response, or a stream of typed events that ends with the whole response.

Types: openai-python `types/responses/response.py`, `response_stream_event.py`.
"""

from typing import Any, Final

import msgspec

from tokentrail.producers.wire.decoding import LenientDecoder, list_of, raw_value, text_of
from tokentrail.producers.wire.errors import error_beside, error_of
from tokentrail.producers.wire.openai_request import read_openai_request
from tokentrail.producers.wire.openai_usage import usage_of
from tokentrail.producers.wire.prompts import JsonPrompts
from tokentrail.producers.wire.reading import AnswerFacts, RequestRead, SilentHeaders

_FINAL: Final = frozenset(("response.completed", "response.incomplete", "response.failed"))
_SAID: Final = frozenset(
    ("response.output_text.delta", "response.refusal.delta", "response.audio.transcript.delta")
)  # fmt: skip
_AFTER_CREATION: Final = {
    "input_tokens": "count_tokens",
    "compact": "compact_response",
    "cancel": "cancel_response",
}


class _Response(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    usage: Any = None
    service_tier: Any = None
    error: Any = None
    status: Any = None
    incomplete_details: Any = None
    background: Any = None
    output: msgspec.Raw = msgspec.Raw(b"")
    message: Any = None
    detail: Any = None
    type: Any = None
    code: Any = None


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    response: _Response | None = None
    delta: Any = None
    code: Any = None
    message: Any = None
    error: Any = None


_response_of: Final = LenientDecoder(_Response)
_event_of: Final = LenientDecoder(_Event)


class OpenAIResponses(JsonPrompts):
    """The Responses API; a `WireFormat`."""

    def operation(self, endpoint: str) -> str | None:
        """Return the operation; what is done to a response that exists is no new one."""
        _, found, rest = endpoint.rstrip("/").rpartition("/responses")
        if not found or (rest and not rest.startswith("/")):
            return None
        last = rest.rpartition("/")[2]
        return _AFTER_CREATION.get(last, "retrieve_response") if rest else "responses"

    def read_request(self, endpoint: str, body: bytes) -> RequestRead:
        """Read a request's fields."""
        return read_openai_request(endpoint, body)

    def reader(self, operation: str | None, *, keep_text: bool = False) -> "OpenAIResponsesReader":
        """Return a fresh reader."""
        return OpenAIResponsesReader(billed=operation in {"responses", "compact_response"}, keep_text=keep_text)


class OpenAIResponsesReader(SilentHeaders):
    """Reads a response or a stream; an `AnswerReader`.

    A background response is created without usage: the fetch that finds it completed tells it, and is counted for it.
    """

    def __init__(self, *, billed: bool = True, keep_text: bool = False) -> None:
        self.facts = AnswerFacts(usage_of, billed=billed, keep_text=keep_text)

    def read_answer(self, body: bytes) -> None:
        """Take a whole body."""
        response = _response_of(body)
        if response is None:
            return
        facts = self.facts
        facts.ended = True
        self._take_response(response)
        if facts.error is None and response.status is None:
            facts.error = error_beside(response.message, response.type, response.code, response.detail)
        if facts.keep_text or facts.provider_usage is None:
            for item in list_of(raw_value(response.output)):
                if isinstance(item, dict):
                    _take_item(facts, item)

    def read_chunk(self, payload: bytes) -> bool:
        """Take one event."""
        facts = self.facts
        if payload.startswith(b"[DONE]"):
            facts.ended = True
            return False
        event = _event_of(payload)
        if event is None:
            return False
        kind = event.type if isinstance(event.type, str) else ""
        if event.response is not None:
            self._take_response(event.response)
            facts.ended = facts.ended or kind in _FINAL
        if facts.error is None and event.error:
            facts.error = error_of(event.error)
        if facts.error is None and kind == "error":
            facts.error = error_beside(event.message, "error", event.code, None)
        if not kind.endswith(".delta"):
            return False
        if kind in _SAID:
            facts.say(event.delta)
        elif kind != "response.audio.delta":
            facts.mutter(event.delta)
        facts.has_content = True
        return True

    def _take_response(self, response: _Response) -> None:
        facts = self.facts
        facts.model = text_of(response.model) or facts.model
        facts.provider_request_id = text_of(response.id) or facts.provider_request_id
        facts.service_tier = text_of(response.service_tier) or facts.service_tier
        if isinstance(response.usage, dict) and response.usage:
            facts.provider_usage = response.usage
            facts.billed = facts.billed or response.background is True
        if response.error:
            facts.error = error_of(response.error)
        if response.status == "completed":
            facts.stop("completed")
        elif response.status == "incomplete":
            details = response.incomplete_details
            facts.stop((details.get("reason") if isinstance(details, dict) else None) or "incomplete")


def _take_item(facts: AnswerFacts, item: dict[str, Any]) -> None:
    for part in list_of(item.get("content")):
        if isinstance(part, dict):
            facts.say(part.get("text") or part.get("refusal"))
    for part in list_of(item.get("summary")):
        if isinstance(part, dict):
            facts.mutter(part.get("text"))
    facts.mutter(item.get("arguments"))
    facts.mutter(item.get("input"))
