"""The fields that all of OpenAI's requests share, in JSON or in a form."""

from typing import Any, Final

import msgspec

from tokentrail.producers.wire.decoding import LenientDecoder, number_of, text_of, tokens_of
from tokentrail.producers.wire.forms import read_form
from tokentrail.producers.wire.reading import RequestRead


class _Request(msgspec.Struct, gc=False):
    model: Any = None
    stream: Any = None
    temperature: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    user: Any = None
    safety_identifier: Any = None
    metadata: Any = None
    conversation: Any = None
    previous_response_id: Any = None


_request_of: Final = LenientDecoder(_Request)


def read_openai_request(endpoint: str, body: bytes) -> RequestRead:
    """Read the fields that all of OpenAI's requests share, JSON or form; Azure names its deployment in the path."""
    if body.startswith(b"--"):
        return _read_form_request(body)
    given = _request_of(body) or _Request()
    metadata = given.metadata if isinstance(given.metadata, dict) else {}
    limits = {"a": given.max_completion_tokens, "b": given.max_tokens, "c": given.max_output_tokens}
    return RequestRead(
        model=text_of(given.model) or _deployment(endpoint),
        stream=given.stream if isinstance(given.stream, bool) else None,
        temperature=number_of(given.temperature),
        max_tokens=tokens_of(limits, "a", "b", "c"),
        user_id=text_of(given.user) or text_of(given.safety_identifier) or text_of(metadata.get("user_id")),
        session_id=_conversation(given.conversation),
    )


def _read_form_request(body: bytes) -> RequestRead:
    fields = read_form(body)
    try:
        temperature = float(fields["temperature"])
    except (KeyError, ValueError):
        temperature = None
    stream = fields.get("stream")
    return RequestRead(
        model=fields.get("model") or None,
        stream=None if stream is None else stream.lower() == "true",
        temperature=temperature,
        user_id=fields.get("user") or None,
    )


def _deployment(endpoint: str) -> str | None:
    _, found, rest = endpoint.partition("/deployments/")
    return text_of(rest.partition("/")[0]) if found else None


def _conversation(given: Any) -> str | None:
    return text_of(given.get("id")) if isinstance(given, dict) else text_of(given)
