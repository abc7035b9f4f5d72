"""Which wire format a path speaks. A format is imported when the first path speaks it: a process uses one or two."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tokentrail.producers.wire.reading import WireFormat

_NOT_ANTHROPIC: Final = ("/threads/", "/chat/completions/")
"""OpenAI's own lists of messages end in `/messages` as well."""
_REMEMBERED: Final = 512
"""Paths may carry an id, so what is remembered of them is bounded."""


@lru_cache(maxsize=_REMEMBERED)
def openai_wire(endpoint: str) -> WireFormat:
    """Return the format of a path of OpenAI's, or of who is compatible with it; chat for what is unknown."""
    for wire in (_chat, _responses, _media):
        if wire().operation(endpoint) is not None:
            return wire()
    return _chat()


@lru_cache(maxsize=_REMEMBERED)
def generic_wire(endpoint: str) -> WireFormat:
    """Return the format that a path looks like: Anthropic's `…/messages`, Gemini's `…:generateContent`, else OpenAI's.

    For relays and hosts of the user's own, which may speak any of the three.
    """
    path = endpoint.rstrip("/")
    if "/messages" in path or "Predict" in path:
        if _anthropic().operation(path) is not None and not any(part in path for part in _NOT_ANTHROPIC):
            return _anthropic()
    elif ":" in path.rpartition("/")[2] and _gemini().operation(path) not in {None, "list_models"}:
        return _gemini()
    return openai_wire(path)


@lru_cache(maxsize=_REMEMBERED)
def anthropic_wire(endpoint: str) -> WireFormat:
    """Return Anthropic's format; its OpenAI-compatible path speaks OpenAI's."""
    return openai_wire(endpoint) if endpoint.endswith("/chat/completions") else _anthropic()


@lru_cache(maxsize=_REMEMBERED)
def gemini_wire(endpoint: str) -> WireFormat:
    """Return Gemini's format, or that of what else Google's hosts serve: OpenAI-compatible paths, Claude on Vertex."""
    if endpoint.endswith("/chat/completions"):
        return _gemini_as_openai()
    if "/openai/" in endpoint:
        return openai_wire(endpoint)
    if "/interactions" in endpoint:
        return _interactions()
    return _anthropic() if "/publishers/anthropic/" in endpoint else _gemini()


@lru_cache(maxsize=_REMEMBERED)
def bedrock_wire(endpoint: str) -> WireFormat:
    """Return Bedrock's format; its hosts serve OpenAI's and Anthropic's as well."""
    return _bedrock() if "/model/" in endpoint else generic_wire(endpoint)


@lru_cache(maxsize=_REMEMBERED)
def cohere_wire(endpoint: str) -> WireFormat:
    """Return Cohere's format; what is below /compatibility speaks OpenAI's."""
    return openai_wire(endpoint) if "/compatibility/" in endpoint else _cohere()


@lru_cache(maxsize=_REMEMBERED)
def ollama_wire(endpoint: str) -> WireFormat:
    """Return Ollama's own format below /api, OpenAI's or Anthropic's elsewhere."""
    return _ollama() if "/api/" in endpoint else generic_wire(endpoint)


@cache
def _chat() -> WireFormat:
    from tokentrail.producers.wire.openai_chat import OpenAIChat

    return OpenAIChat()


@cache
def _gemini_as_openai() -> WireFormat:
    from tokentrail.producers.wire.openai_chat import OpenAIChat
    from tokentrail.producers.wire.openai_usage import usage_with_thoughts

    return OpenAIChat(usage_with_thoughts)


@cache
def _responses() -> WireFormat:
    from tokentrail.producers.wire.openai_responses import OpenAIResponses

    return OpenAIResponses()


@cache
def _media() -> WireFormat:
    from tokentrail.producers.wire.openai_media import OpenAIMedia

    return OpenAIMedia()


@cache
def _anthropic() -> WireFormat:
    from tokentrail.producers.wire.anthropic import Anthropic

    return Anthropic()


@cache
def _gemini() -> WireFormat:
    from tokentrail.producers.wire.gemini import Gemini

    return Gemini()


@cache
def _interactions() -> WireFormat:
    from tokentrail.producers.wire.gemini_interactions import GeminiInteractions

    return GeminiInteractions()


@cache
def _bedrock() -> WireFormat:
    from tokentrail.producers.wire.bedrock import Bedrock

    return Bedrock()


@cache
def _cohere() -> WireFormat:
    from tokentrail.producers.wire.cohere import Cohere

    return Cohere()


@cache
def _ollama() -> WireFormat:
    from tokentrail.producers.wire.ollama import Ollama

    return Ollama()
