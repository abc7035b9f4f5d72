"""AWS Bedrock's runtime: Converse for all models alike, and InvokeModel with each model family's own bodies.

Types: botocore `data/bedrock-runtime/*/service-2.json`; bodies: "Inference request parameters" in Bedrock's user guide.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

from tokentrail.producers.wire.bedrock_reader import BedrockReader
from tokentrail.producers.wire.decoding import LenientDecoder, number_of, text_of, tokens_of
from tokentrail.producers.wire.prompts import JsonPrompts
from tokentrail.producers.wire.reading import RequestRead

_VERBS: Final = frozenset((
    "converse", "converse-stream", "invoke", "invoke-with-response-stream", "count-tokens",
))  # fmt: skip
_NOT_CHAT: Final = (
    ("rerank", "rerank"),
    ("embed", "embeddings"),
    ("image", "image_generation"),
    ("canvas", "image_generation"),
    ("stability", "image_generation"),
)
_LIMITS: Final = ("maxTokens", "max_new_tokens", "maxTokenCount")


class _Request(msgspec.Struct, gc=False, rename="camel"):
    inference_config: Any = None
    text_generation_config: Any = None
    temperature: Any = None
    max_tokens: Any = msgspec.field(default=None, name="max_tokens")
    max_completion_tokens: Any = msgspec.field(default=None, name="max_completion_tokens")
    max_gen_len: Any = msgspec.field(default=None, name="max_gen_len")
    metadata: Any = None


_request_of: Final = LenientDecoder(_Request)


class Bedrock(JsonPrompts):
    """Bedrock's runtime; a `WireFormat`. The model's id, or its ARN percent-encoded, stands in the path."""

    def operation(self, endpoint: str) -> str | None:
        """Return the operation; what InvokeModel does is told by the model's name."""
        model, verb = _parts(endpoint)
        if verb not in _VERBS:
            return None
        if verb == "count-tokens":
            return "count_tokens"
        if verb.startswith("invoke"):
            return next((operation for part, operation in _NOT_CHAT if part in (model or "")), "chat")
        return "chat"

    def read_request(self, endpoint: str, body: bytes) -> RequestRead:
        """Read a request's fields."""
        model, verb = _parts(endpoint)
        given = _request_of(body) or _Request()
        config = given.inference_config if isinstance(given.inference_config, dict) else given.text_generation_config
        config = config if isinstance(config, dict) else {}
        metadata = given.metadata if isinstance(given.metadata, dict) else {}
        temperature = number_of(given.temperature)
        limits = {"a": given.max_tokens, "b": given.max_completion_tokens, "c": given.max_gen_len}
        limit = tokens_of(limits, "a", "b", "c")
        return RequestRead(
            model=model,
            stream="stream" in verb if verb in _VERBS else None,
            temperature=number_of(config.get("temperature")) if temperature is None else temperature,
            max_tokens=tokens_of(config, *_LIMITS) if limit is None else limit,
            user_id=text_of(metadata.get("user_id")),
        )

    def reader(self, operation: str | None, *, keep_text: bool = False) -> BedrockReader:
        """Return a fresh reader."""
        return BedrockReader(billed=operation != "count_tokens", keep_text=keep_text)


@lru_cache(maxsize=256)
def _parts(endpoint: str) -> tuple[str | None, str]:
    """Return model and verb of `/model/<id>/<verb>`; an ARN has slashes of its own, encoded or not."""
    from urllib.parse import unquote

    _, found, rest = endpoint.rstrip("/").partition("/model/")
    model, _, verb = rest.rpartition("/")
    return (text_of(unquote(model)) if found else None), verb
