"""OpenAI."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import openai_wire

PROVIDER = Provider(
    name="openai",
    hosts=("api.openai.com", ".api.openai.com"),
    wire=openai_wire,
    key_prefixes=("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-"),
)
