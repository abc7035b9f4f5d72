"""Moonshot AI (Kimi); it serves Anthropic's format below /anthropic."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import generic_wire

PROVIDER = Provider(
    name="moonshot_ai",
    hosts=("api.moonshot.ai", "api.moonshot.cn"),
    wire=generic_wire,
    key_prefixes=("sk-",),
)
