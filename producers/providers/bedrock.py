"""AWS Bedrock: its runtime in every region and partition, and its OpenAI- and Anthropic-compatible endpoints."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import bedrock_wire

PROVIDER = Provider(
    name="aws.bedrock",
    hosts=(
        "bedrock-runtime.*.amazonaws.com",
        "bedrock-runtime-fips.*.amazonaws.com",
        "bedrock-runtime.*.amazonaws.com.cn",
        "bedrock-runtime.*.api.aws",
        "bedrock-runtime-fips.*.api.aws",
        "bedrock-mantle.*.api.aws",
        "*.bedrock-runtime.*.vpce.amazonaws.com",
    ),
    wire=bedrock_wire,
    key_prefixes=("ABSK", "bedrock-api-key-"),
)
