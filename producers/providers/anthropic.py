"""Anthropic."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import anthropic_wire

PROVIDER = Provider(
    name="anthropic",
    hosts=("api.anthropic.com",),
    wire=anthropic_wire,
    key_prefixes=("sk-ant-",),
)
