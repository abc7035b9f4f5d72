"""Vertex AI: Gemini, Claude and OpenAI-compatible models on Google Cloud."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import gemini_wire

PROVIDER = Provider(
    name="gcp.vertex_ai",
    hosts=("aiplatform.googleapis.com", "*-aiplatform.googleapis.com", "aiplatform.*.rep.googleapis.com"),
    wire=gemini_wire,
    key_prefixes=("ya29.",),
)
