"""Azure AI's model inference endpoints."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import generic_wire

PROVIDER = Provider(
    name="azure.ai.inference",
    hosts=(".models.ai.azure.com", ".inference.ai.azure.com", "models.github.ai"),
    wire=generic_wire,
    key_prefixes=(),
)
