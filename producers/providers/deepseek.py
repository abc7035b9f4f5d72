"""DeepSeek; it serves Anthropic's format below /anthropic."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import generic_wire

PROVIDER = Provider(
    name="deepseek",
    hosts=("api.deepseek.com",),
    wire=generic_wire,
    key_prefixes=("sk-",),
)
