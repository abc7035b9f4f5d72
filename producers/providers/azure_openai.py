"""Azure OpenAI and Azure AI Foundry; Foundry serves Claude in Anthropic's format as well."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import generic_wire

PROVIDER = Provider(
    name="azure.ai.openai",
    hosts=(".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com", ".openai.azure.us"),
    wire=generic_wire,
    key_prefixes=(),
)
