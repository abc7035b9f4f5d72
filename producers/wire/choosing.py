"""Which wire format a path speaks."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from tokentrail.producers.wire.anthropic import Anthropic
from tokentrail.producers.wire.bedrock import Bedrock
from tokentrail.producers.wire.cohere import Cohere
from tokentrail.producers.wire.gemini import Gemini
from tokentrail.producers.wire.gemini_interactions import GeminiInteractions
from tokentrail.producers.wire.ollama import Ollama
from tokentrail.producers.wire.openai_chat import OpenAIChat
from tokentrail.producers.wire.openai_media import OpenAIMedia
from tokentrail.producers.wire.openai_responses import OpenAIResponses
from tokentrail.producers.wire.openai_usage import usage_with_thoughts
from tokentrail.producers.wire.reading import WireFormat

_CHAT: Final = OpenAIChat()
_RESPONSES: Final = OpenAIResponses()
_MEDIA: Final = OpenAIMedia()
_ANTHROPIC: Final = Anthropic()
_GEMINI: Final = Gemini()
_INTERACTIONS: Final = GeminiInteractions()
_BEDROCK: Final = Bedrock()
_COHERE: Final = Cohere()
_OLLAMA: Final = Ollama()
_GEMINI_AS_OPENAI: Final = OpenAIChat(usage_with_thoughts)
_NOT_ANTHROPIC: Final = ("/threads/", "/chat/completions/")
"""OpenAI's own lists of messages end in `/messages` as well."""
# A path may carry an id, so what is remembered is bounded.
_remembered: Final[Callable[[Callable[[str], WireFormat]], Callable[[str], WireFormat]]] = lru_cache(maxsize=512)


@_remembered
def openai_wire(endpoint: str) -> WireFormat:
    """Return the format of a path of OpenAI's, or of who is compatible with it; chat for what is unknown."""
    if _MEDIA.operation(endpoint) is not None and _CHAT.operation(endpoint) is None:
        return _RESPONSES if _RESPONSES.operation(endpoint) is not None else _MEDIA
    return _RESPONSES if _RESPONSES.operation(endpoint) is not None else _CHAT


@_remembered
def generic_wire(endpoint: str) -> WireFormat:
    """Return the format that a path looks like: Anthropic's `…/messages`, Gemini's `…:generateContent`, else OpenAI's.

    For relays and hosts of the user's own, which may speak any of the three.
    """
    path = endpoint.rstrip("/")
    if _ANTHROPIC.operation(path) is not None and not any(part in path for part in _NOT_ANTHROPIC):
        return _ANTHROPIC
    verb = path.rpartition("/")[2].partition(":")[2]
    if verb and _GEMINI.operation(path) not in {None, "list_models"}:
        return _GEMINI
    return openai_wire(path)


def anthropic_wire(endpoint: str) -> WireFormat:
    """Return Anthropic's format; its OpenAI-compatible path speaks OpenAI's."""
    return openai_wire(endpoint) if endpoint.endswith("/chat/completions") else _ANTHROPIC


def gemini_wire(endpoint: str) -> WireFormat:
    """Return Gemini's format, or that of what else Google's hosts serve: OpenAI-compatible paths, Claude on Vertex."""
    if endpoint.endswith("/chat/completions"):
        return _GEMINI_AS_OPENAI
    if "/openai/" in endpoint:
        return openai_wire(endpoint)
    if _INTERACTIONS.operation(endpoint) is not None:
        return _INTERACTIONS
    return _ANTHROPIC if "/publishers/anthropic/" in endpoint else _GEMINI


def bedrock_wire(endpoint: str) -> WireFormat:
    """Return Bedrock's format; its hosts serve OpenAI's and Anthropic's as well."""
    return _BEDROCK if "/model/" in endpoint else generic_wire(endpoint)


def cohere_wire(endpoint: str) -> WireFormat:
    """Return Cohere's format; what is below /compatibility speaks OpenAI's."""
    return openai_wire(endpoint) if "/compatibility/" in endpoint else _COHERE


def ollama_wire(endpoint: str) -> WireFormat:
    """Return Ollama's own format below /api, OpenAI's or Anthropic's elsewhere."""
    return _OLLAMA if _OLLAMA.operation(endpoint) is not None else generic_wire(endpoint)
