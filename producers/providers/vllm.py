"""vLLM, wherever the user runs it: it has no host of its own, and is named by whoever does."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import generic_wire

PROVIDER = Provider(
    name="vllm",
    hosts=(),
    wire=generic_wire,
    key_prefixes=(),
)
