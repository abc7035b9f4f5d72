"""Cohere."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import cohere_wire

PROVIDER = Provider(
    name="cohere",
    hosts=("api.cohere.com", "api.cohere.ai"),
    wire=cohere_wire,
    key_prefixes=(),
)
