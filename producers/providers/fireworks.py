"""Fireworks AI."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import generic_wire

PROVIDER = Provider(
    name="fireworks",
    hosts=("api.fireworks.ai",),
    wire=generic_wire,
    key_prefixes=("fw_",),
)
