"""Together AI."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import openai_wire

PROVIDER = Provider(
    name="together",
    hosts=("api.together.xyz", "api.together.ai"),
    wire=openai_wire,
    key_prefixes=("tgp_",),
)
