"""Ollama on this machine: its own API, and OpenAI's and Anthropic's below /v1."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import ollama_wire

PROVIDER = Provider(
    name="ollama",
    hosts=("localhost:11434", "127.0.0.1:11434", "[::1]:11434", "::1:11434", "ollama.com"),
    wire=ollama_wire,
    key_prefixes=(),
)
