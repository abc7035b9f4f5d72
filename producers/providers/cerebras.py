"""Cerebras."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import openai_wire

PROVIDER = Provider(
    name="cerebras",
    hosts=("api.cerebras.ai",),
    wire=openai_wire,
    key_prefixes=("csk-",),
)
