"""Anthropic, on its own hosts and on those that AWS and Google keep for it."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import anthropic_wire

PROVIDER = Provider(
    name="anthropic",
    hosts=("api.anthropic.com", "aws-external-anthropic.*.api.aws", "claude.googleapis.com"),
    wire=anthropic_wire,
    key_prefixes=("sk-ant-",),
)
