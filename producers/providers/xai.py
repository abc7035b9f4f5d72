"""xAI."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import generic_wire

PROVIDER = Provider(
    name="x_ai",
    hosts=("api.x.ai", ".api.x.ai"),
    wire=generic_wire,
    key_prefixes=("xai-",),
)
