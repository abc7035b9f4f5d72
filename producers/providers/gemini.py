"""Google's Gemini API."""

from tokentrail.producers.providers.provider import Provider
from tokentrail.producers.wire.choosing import gemini_wire

PROVIDER = Provider(
    name="gcp.gemini",
    hosts=("generativelanguage.googleapis.com",),
    wire=gemini_wire,
    key_prefixes=("AIza", "AQ."),
)
