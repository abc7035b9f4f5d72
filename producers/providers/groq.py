"""Groq."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import openai_wire

PROVIDER = Provider(
    name="groq",
    hosts=("api.groq.com",),
    wire=openai_wire,
    key_prefixes=("gsk_",),
)
