"""What OpenAI and everything compatible with it sends over the wire: chat, completions, embeddings, responses.

Lenient on purpose: relays send all sorts of things, and a field of the wrong shape must not cost the other fields.
"""

from typing import Any, Final

import msgspec

from tokentrail.schemas.events import Status, Usage

_MAX_TOKENS: Final = 1_000_000_000
_RATE_LIMIT_CODES: Final = frozenset(("rate_limit_exceeded", "rate_limit_error", "insufficient_quota", "429"))
_FINAL_EVENTS: Final = frozenset(("response.completed", "response.incomplete", "response.failed"))


class RequestBody(msgspec.Struct, gc=False):
    """The fields of a request that are recorded; prompts are skipped unread."""

    model: Any = None
    stream: Any = None
    temperature: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    user: Any = None
    safety_identifier: Any = None


class _Choice(msgspec.Struct, gc=False):
    index: Any = 0
    finish_reason: Any = None


class _Delta(_Choice, gc=False):
    delta: Any = None
    text: Any = None


class _Body(msgspec.Struct, gc=False):
    model: Any = None
    usage: Any = None
    service_tier: Any = None
    error: Any = None
    status: Any = None
    incomplete_details: Any = None


class _Answer(_Body, gc=False):
    choices: list[_Choice] | None = None


class _Chunk(_Body, gc=False):
    choices: list[_Delta] | None = None
    type: Any = None
    response: _Body | None = None
    code: Any = None
    message: Any = None


_decode_request = msgspec.json.Decoder(RequestBody).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_body = msgspec.json.Decoder(_Body).decode


def read_request(body: bytes) -> RequestBody:
    """Read a request's body; anything that is no JSON object gives empty fields."""
    try:
        return _decode_request(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return RequestBody()


class AnswerFacts:
    """What is known about an answer so far; fed with one body, or with the chunks of a stream."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.service_tier: str | None = None
        self.provider_usage: dict[str, Any] | None = None
        self.error: Any = None
        self.ended = False
        """The provider has said that this was all."""
        self.has_content = False
        """The model has said something: text, a tool call, reasoning, a refusal."""
        self._finish_reasons: dict[int, str] = {}

    @property
    def finish_reasons(self) -> list[str] | None:
        """Why the model stopped, by choice."""
        return [self._finish_reasons[index] for index in sorted(self._finish_reasons)] or None

    def read_answer(self, body: bytes) -> None:
        """Take a whole body; no JSON object, no facts."""
        try:
            answer = _decode_answer(body)
        except msgspec.ValidationError:  # `choices` is something else: keep the rest
            answer = _lenient_answer(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        self.ended = True
        self._take_body(answer)
        for choice in answer.choices or ():
            self._take_reason(choice)

    def read_chunk(self, payload: bytes) -> None:
        """Take the payload of one server-sent event."""
        if payload.startswith(b"[DONE]"):
            self.ended = True
            return
        try:
            chunk = _decode_chunk(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        self._take_body(chunk)
        for choice in chunk.choices or ():
            self._take_reason(choice)
            self.has_content = self.has_content or _says_something(choice)
        if isinstance(chunk.type, str):
            self._take_typed(chunk, chunk.type)

    def _take_typed(self, chunk: _Chunk, kind: str) -> None:
        if kind.endswith(".delta"):
            self.has_content = True
        elif kind == "error" and self.error is None:
            self.error = {"code": chunk.code, "message": chunk.message, "type": "error"}
        if chunk.response is not None:
            self._take_body(chunk.response)
            self.ended = self.ended or kind in _FINAL_EVENTS

    def _take_body(self, body: _Body) -> None:
        if isinstance(body.model, str):
            self.model = body.model
        if isinstance(body.service_tier, str):
            self.service_tier = body.service_tier
        if isinstance(body.usage, dict) and body.usage:
            self.provider_usage = body.usage
        if body.error:
            self.error = body.error
        if body.status == "completed":
            self._finish_reasons[0] = "completed"
        elif body.status == "incomplete":
            details = body.incomplete_details
            reason = details.get("reason") if isinstance(details, dict) else None
            self._finish_reasons[0] = reason if isinstance(reason, str) else "incomplete"

    def _take_reason(self, choice: _Choice) -> None:
        if isinstance(choice.finish_reason, str):
            index = choice.index if isinstance(choice.index, int) else 0
            self._finish_reasons[index] = choice.finish_reason


def usage_of(provider_usage: dict[str, Any] | None) -> Usage | None:
    """Return a usage object as Tokentrail's vector; None when it holds no total. Absent counts stay None, never 0."""
    if not provider_usage:
        return None
    given = provider_usage
    total_in = _tokens(given, "prompt_tokens", "input_tokens")
    total_out = _tokens(given, "completion_tokens", "output_tokens")
    if total_in is None and total_out is None:
        return None
    details_in = _details(given, "prompt_tokens_details", "input_tokens_details")
    details_out = _details(given, "completion_tokens_details", "output_tokens_details")
    cached = _tokens(details_in, "cached_tokens")
    return Usage(
        input_tokens=total_in,
        output_tokens=total_out,
        # DeepSeek says it beside the totals; there as here cached tokens are inside them.
        cache_read_tokens=cached if cached is not None else _tokens(given, "prompt_cache_hit_tokens"),
        cache_write_5m_tokens=_tokens(details_in, "cache_write_tokens"),
        reasoning_tokens=_tokens(details_out, "reasoning_tokens"),
        input_audio_tokens=_tokens(details_in, "audio_tokens"),
        output_audio_tokens=_tokens(details_out, "audio_tokens"),
    )


def status_of_error(error: Any) -> Status:
    """Return the status that an error object inside a successful HTTP answer stands for."""
    if isinstance(error, dict) and _RATE_LIMIT_CODES & {str(error.get("code")), str(error.get("type"))}:
        return Status.RATE_LIMITED
    return Status.SERVER_ERROR


def describe_error(error: Any) -> tuple[str | None, str | None, str | None]:
    """Return type, code and message of an error object."""
    if isinstance(error, dict):
        return _text(error.get("type")), _text(error.get("code")), _text(error.get("message"))
    return None, None, _text(error)


def _lenient_answer(body: bytes) -> _Answer:
    try:
        plain = _decode_body(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Answer()
    return _Answer(**{name: getattr(plain, name) for name in plain.__struct_fields__})


def _says_something(choice: _Delta) -> bool:
    if choice.text:
        return True
    delta = choice.delta
    return isinstance(delta, dict) and any(value for name, value in delta.items() if name != "role")


def _tokens(given: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = given.get(name)
        if type(value) is int and 0 <= value <= _MAX_TOKENS:
            return value
    return None


def _details(given: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        value = given.get(name)
        if isinstance(value, dict):
            return value
    return {}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
