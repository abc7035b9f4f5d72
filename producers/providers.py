"""Who is called and what for, told from host and path, in OpenTelemetry's GenAI names where it has one."""

from functools import lru_cache
from typing import Final

_HOSTS: Final = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.openai",
    "api.anthropic.com": "anthropic",
    "api.deepseek.com": "deepseek",
    "api.mistral.ai": "mistral_ai",
    "api.groq.com": "groq",
    "api.x.ai": "x_ai",
    "api.together.xyz": "together",
    "api.together.ai": "together",
    "openrouter.ai": "openrouter",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "api.perplexity.ai": "perplexity",
    "api.cohere.com": "cohere",
    "api.fireworks.ai": "fireworks",
    "api.moonshot.ai": "moonshot_ai",
    "api.cerebras.ai": "cerebras",
}
_OPERATIONS: Final = (
    ("/chat/completions", "chat"),
    ("/completions", "text_completion"),
    ("/embeddings", "embeddings"),
    ("/responses", "responses"),
    ("/messages", "chat"),
    ("/images/generations", "image_generation"),
    ("/images/edits", "image_edit"),
    ("/audio/transcriptions", "transcription"),
    ("/audio/translations", "translation"),
    ("/audio/speech", "speech"),
    ("/moderations", "moderation"),
    ("/rerank", "rerank"),
    ("/models", "list_models"),
)


@lru_cache(maxsize=256)
def provider_of(host: str) -> str:
    """Return the provider's name; a host that is nobody's we know (a relay, a model server) is its own name."""
    name = host.lower()
    while name:
        if name in _HOSTS:
            return _HOSTS[name]
        name = name.partition(".")[2]
    return host.lower()


@lru_cache(maxsize=256)
def operation_of(endpoint: str) -> str | None:
    """Return what a path asks for; None where it is no operation we know."""
    path = endpoint.rstrip("/")
    for ending, operation in _OPERATIONS:
        if path.endswith(ending):
            return operation
    parts = path.split("/")
    return "responses" if "responses" in parts else "list_models" if "models" in parts else None
