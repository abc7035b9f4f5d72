"""Gemini's Interactions API: a whole interaction, or a stream of typed events that ends with one.

Types: python-genai `_gaos/types/interactions/` (Interaction, Usage, StepDelta, InteractionCompletedEvent).
"""

from typing import Any, Final

import msgspec

from tokentrail.producers.wire.decoding import (
    LenientDecoder,
    dict_of,
    list_of,
    number_of,
    raw_value,
    sum_of,
    text_of,
    tokens_of,
)
from tokentrail.producers.wire.errors import error_of
from tokentrail.producers.wire.prompts import JsonPrompts
from tokentrail.producers.wire.reading import AnswerFacts, RequestRead, SilentHeaders
from tokentrail.schemas.events import Usage

_ENDINGS: Final = frozenset(("interaction.completed", "interaction.complete"))
_UNFINISHED: Final = frozenset(("in_progress", "queued"))


class _Request(msgspec.Struct, gc=False):
    model: Any = None
    agent: Any = None
    stream: Any = None
    generation_config: Any = None
    previous_interaction_id: Any = None


class _Interaction(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    agent: Any = None
    status: Any = None
    usage: Any = None
    service_tier: Any = None
    background: Any = None
    steps: msgspec.Raw = msgspec.Raw(b"")
    error: Any = None


class _Event(msgspec.Struct, gc=False):
    event_type: Any = None
    interaction: _Interaction | None = None
    delta: Any = None
    error: Any = None


_request_of: Final = LenientDecoder(_Request)
_interaction_of: Final = LenientDecoder(_Interaction)
_event_of: Final = LenientDecoder(_Event)


def usage_of(given: dict[str, Any]) -> Usage | None:
    """Return an interaction's usage as a vector; thoughts and tools' results stand beside the totals there."""
    read, said = tokens_of(given, "total_input_tokens"), tokens_of(given, "total_output_tokens")
    tools, thoughts = tokens_of(given, "total_tool_use_tokens"), tokens_of(given, "total_thought_tokens")
    if read is None and said is None:
        return None
    return Usage(
        input_tokens=sum_of(read, tools),
        output_tokens=sum_of(said, thoughts),
        cache_read_tokens=tokens_of(given, "total_cached_tokens"),
        reasoning_tokens=thoughts,
        input_audio_tokens=_audio(given, "input_tokens_by_modality"),
        output_audio_tokens=_audio(given, "output_tokens_by_modality"),
    )


def _audio(given: dict[str, Any], name: str) -> int | None:
    counts = [
        tokens_of(part, "tokens")
        for part in list_of(given.get(name))
        if isinstance(part, dict) and str(part.get("modality")).lower() == "audio"
    ]
    return sum_of(*counts)


class GeminiInteractions(JsonPrompts):
    """The Interactions API; a `WireFormat`."""

    def operation(self, endpoint: str) -> str | None:
        """Return the operation; what is done to an interaction that exists is no new one."""
        path = endpoint.rstrip("/")
        if path.endswith("/interactions"):
            return "interactions"
        return "retrieve_interaction" if "/interactions/" in path else None

    def read_request(self, endpoint: str, body: bytes) -> RequestRead:  # noqa: ARG002 - all is in the body
        """Read a request's fields; an agent stands where else a model does."""
        given = _request_of(body) or _Request()
        config = given.generation_config if isinstance(given.generation_config, dict) else {}
        return RequestRead(
            model=text_of(given.model) or text_of(given.agent),
            stream=given.stream if isinstance(given.stream, bool) else None,
            temperature=number_of(config.get("temperature")),
            max_tokens=tokens_of(config, "max_output_tokens"),
        )

    def reader(self, operation: str | None, *, keep_text: bool = False) -> "GeminiInteractionsReader":
        """Return a fresh reader."""
        return GeminiInteractionsReader(billed=operation == "interactions", keep_text=keep_text)


class GeminiInteractionsReader(SilentHeaders):
    """Reads an interaction or a stream; an `AnswerReader`."""

    def __init__(self, *, billed: bool = True, keep_text: bool = False) -> None:
        self.facts = AnswerFacts(usage_of, billed=billed, keep_text=keep_text)

    def read_answer(self, body: bytes) -> None:
        """Take a whole body."""
        interaction = _interaction_of(body)
        if interaction is None:
            return
        self.facts.ended = True
        self._take(interaction)
        if self.facts.keep_text or self.facts.provider_usage is None:
            for step in list_of(raw_value(interaction.steps)):
                for part in list_of(step.get("content")) if isinstance(step, dict) else ():
                    self.facts.say(part.get("text") if isinstance(part, dict) else None)

    def read_chunk(self, payload: bytes) -> bool:
        """Take one event."""
        facts = self.facts
        if payload.startswith(b"[DONE]"):
            facts.ended = True
            return False
        event = _event_of(payload)
        if event is None:
            return False
        kind = text_of(event.event_type)
        facts.ended = facts.ended or kind in _ENDINGS
        facts.error = error_of(event.error) or facts.error
        if event.interaction is not None:
            self._take(event.interaction)
        delta = event.delta if isinstance(event.delta, dict) else {}
        if not delta or kind != "step.delta":
            return False
        if delta.get("type") == "text":
            facts.say(delta.get("text"))
        else:
            facts.mutter(dict_of(delta, "content").get("text") or delta.get("arguments"))
        facts.has_content = True
        return True

    def _take(self, interaction: _Interaction) -> None:
        facts = self.facts
        facts.model = text_of(interaction.model) or text_of(interaction.agent) or facts.model
        facts.provider_request_id = text_of(interaction.id) or facts.provider_request_id
        facts.service_tier = text_of(interaction.service_tier) or facts.service_tier
        facts.error = error_of(interaction.error) or facts.error
        if isinstance(interaction.usage, dict) and interaction.usage:
            facts.provider_usage = interaction.usage
            facts.billed = facts.billed or interaction.background is True
        if text_of(interaction.status) and interaction.status not in _UNFINISHED:
            facts.stop(interaction.status)
