"""OpenRouter; it serves Anthropic's and OpenAI's formats side by side."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import generic_wire

PROVIDER = Provider(
    name="openrouter",
    hosts=("openrouter.ai",),
    wire=generic_wire,
    key_prefixes=("sk-or-",),
)
