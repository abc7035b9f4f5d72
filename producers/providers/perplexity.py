"""Perplexity."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import openai_wire

PROVIDER = Provider(
    name="perplexity",
    hosts=("api.perplexity.ai",),
    wire=openai_wire,
    key_prefixes=("pplx-",),
)
