"""Mistral AI."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import openai_wire

PROVIDER = Provider(
    name="mistral_ai",
    hosts=("api.mistral.ai", "codestral.mistral.ai"),
    wire=openai_wire,
    key_prefixes=(),
)
