"""One HTTP attempt, from before it leaves until its answer has ended. Knows no HTTP library, does no I/O of its own."""

from __future__ import annotations

import time
import zlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tokentrail.producers.calls import Call, Outcome, new_id
from tokentrail.producers.context import current_labels
from tokentrail.producers.fingerprints import Fingerprints, key_hint
from tokentrail.producers.guard import guarded
from tokentrail.producers.http_status import status_of_code, status_of_exception
from tokentrail.producers.openai_wire import (
    AnswerFacts,
    RequestBody,
    describe_error,
    read_request,
    status_of_error,
    usage_of,
)
from tokentrail.producers.providers import operation_of, provider_of
from tokentrail.producers.scrubbing import scrub_text
from tokentrail.producers.sse import SseParser
from tokentrail.schemas.events import Status, UsageSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tokentrail.producers.recorder import Recorder

MAX_BODY_BYTES: Final = 8_388_608
"""Of a longer answer (files, audio, very many embeddings) only the status is read."""
_READING: Final = guarded("reading an answer")
_ENDING: Final = guarded("recording the end of a call")
_MAX_USAGE_BYTES: Final = 8_192
_REFUSED: Final = frozenset((401, 403))
_KEY_HEADERS: Final = (b"api-key", b"x-api-key", b"x-goog-api-key")
_last_attempt: ContextVar[tuple[str, int, str] | None] = ContextVar("tokentrail_last_attempt", default=None)


class RequestFacts(msgspec.Struct, frozen=True, gc=False):
    """A request as bytes. `headers` has lower-case names; `body` is None where reading would consume it."""

    method: str
    host: str
    path: bytes
    headers: dict[bytes, bytes]
    body: bytes | None


class CaptureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a client says about all its calls. `relays` maps hosts to providers; `provider` overrides everything."""

    labels: dict[str, str] = {}
    provider: str | None = None
    relays: dict[str, str] = {}


class Capture:
    """Starts attempts. One per client; thread-safe."""

    def __init__(
        self,
        recorder: Callable[[], Recorder],
        fingerprints: Callable[[], Fingerprints],
        options: CaptureOptions,
        monotonic: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._recorder = recorder
        self._fingerprints = fingerprints
        self._options = options
        self._monotonic = monotonic
        self._last_key: tuple[str, str, str] | None = None

    def begin(self, request: RequestFacts) -> Attempt:
        """Record that the request is about to leave, and return its attempt."""
        fingerprints = self._fingerprints()
        headers = request.headers
        method, key = _credentials(headers)
        endpoint = request.path.partition(b"?")[0].partition(b"#")[0]
        key_id, hint = self._identify(key, fingerprints) if key else (None, None)
        body = RequestBody() if request.body is None else read_request(request.body)
        request_hash = fingerprints.request_hash(endpoint, request.body) if request.body else None
        retry_count = _number(headers.get(b"x-stainless-retry-count"))
        call = Call(
            logical_call_id=_logical_call(request_hash or "", retry_count or 0),
            user_agent=_header(headers, b"user-agent"),
            api_key_id=key_id,
            api_key_hint=hint,
            provider=self._provider(request.host),
            server_address=request.host or None,
            endpoint=endpoint.decode("ascii", "replace"),
            operation=operation_of(endpoint.decode("ascii", "replace")),
            request_model=body.model if isinstance(body.model, str) else None,
            stream=body.stream if isinstance(body.stream, bool) else None,
        )
        self._label(call, body)
        outcome = Outcome(
            status=Status.ABORTED,
            http_method=request.method,
            auth_method=method,
            request_hash=request_hash,
            retry_count=retry_count,
            temperature=_float(body.temperature),
            max_tokens=_first_int(body.max_completion_tokens, body.max_tokens, body.max_output_tokens),
        )
        secrets = (key,) if key else ()
        recorder = self._recorder()
        recorder.started(call, secrets=secrets)
        return Attempt(recorder, call, outcome, secrets, fingerprints, self._monotonic)

    def _identify(self, key: str, fingerprints: Fingerprints) -> tuple[str, str]:
        """Return fingerprint and hint of a key; a client seldom changes its key, and both cost 10 µs."""
        last = self._last_key
        if last is None or last[0] != key:
            last = self._last_key = (key, fingerprints.key_id(key), key_hint(key))
        return last[1], last[2]

    def _provider(self, host: str) -> str | None:
        return self._options.provider or self._options.relays.get(host) or provider_of(host) or None

    def _label(self, call: Call, body: RequestBody) -> None:
        for labels in (self._options.labels, current_labels()):
            for name, value in labels.items():
                setattr(call, name, value)
        if call.user_id is None:
            user = body.user or body.safety_identifier
            call.user_id = user if isinstance(user, str) else None


class Attempt:
    """What is learned about one attempt, until it has ended; the first ending counts. Not for two threads at once."""

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place, right above
        self,
        recorder: Recorder,
        call: Call,
        outcome: Outcome,
        secrets: tuple[str, ...],
        fingerprints: Fingerprints,
        monotonic: Callable[[], float],
    ) -> None:
        self._recorder = recorder
        self._call = call
        self._outcome = outcome
        self._secrets = secrets
        self._hash = fingerprints.response_hash()
        self._monotonic = monotonic
        self._began = monotonic()
        self._facts = AnswerFacts()
        self._sse: SseParser | None = None
        self._body: list[bytes] | None = None
        self._body_bytes = 0
        self._expected_bytes: int | None = None
        self._raw_bytes = 0
        self._inflate: Any = None
        self._decode_whole: Callable[[bytes], bytes] | None = None
        self._ended = False

    def answered(self, code: int, headers: Mapping[bytes, bytes], decode: Callable[[bytes], bytes] | None) -> None:
        """Take status and headers. `decode` undoes the content encoding of a whole body; None where there is none."""
        outcome = self._outcome
        outcome.http_status_code = code
        outcome.auth_result = "refused" if code in _REFUSED else "accepted"
        outcome.provider_request_id = _header(headers, b"x-request-id") or _header(headers, b"request-id")
        self._expected_bytes = _number(headers.get(b"content-length"))
        content_type = headers.get(b"content-type", b"")
        if content_type.startswith(b"text/event-stream"):
            self._sse = SseParser()
            if self._call.stream is None:
                self._call.stream = True
        elif b"json" in content_type or code >= 400:  # noqa: PLR2004 - where HTTP errors begin
            self._body = []
        if decode is not None:
            encoding = headers.get(b"content-encoding", b"").strip().lower()
            if encoding in (b"gzip", b"x-gzip"):
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
            else:  # no incremental decoder of our own: read when it is all there
                self._decode_whole = decode
                self._body = []

    def chunk(self, data: bytes) -> None:
        """Take the next bytes of the body, as they came over the wire."""
        with _READING:
            self._raw_bytes += len(data)
            if self._inflate is not None:
                data = self._inflate.decompress(data)
            if self._decode_whole is None:
                self._hash.update(data)
                if self._sse is not None:
                    self._take_payloads(self._sse.feed(data))
                    return
            if self._body is not None:
                self._body_bytes += len(data)
                if self._body_bytes > MAX_BODY_BYTES:
                    self._body = None
                else:
                    self._body.append(data)

    def end(self) -> None:
        """The body is complete."""
        self._finish(None, complete=True)

    def end_unwatched(self, code: int) -> None:
        """The body goes to the caller unread: all that is known of the answer is its status."""
        self._outcome.http_status_code = code
        self.end()

    def abandon(self) -> None:
        """The caller has closed the answer, or dropped it; harmless after the end."""
        if not self._ended:
            self._finish(None, complete=self._expected_bytes is not None and self._raw_bytes >= self._expected_bytes)

    def fail(self, error: BaseException) -> None:
        """The attempt ended with an exception."""
        self._finish(error, complete=False)

    def _finish(self, error: BaseException | None, *, complete: bool) -> None:
        if self._ended:
            return
        self._ended = True
        with _ENDING:
            outcome = self._outcome
            outcome.latency_ms = (self._monotonic() - self._began) * 1000
            with _READING:
                self._read_rest()
            self._conclude(error, complete=complete)
            self._recorder.completed(self._call, outcome, secrets=self._secrets)

    def _read_rest(self) -> None:
        if self._decode_whole is not None and self._body:
            body = self._decode_whole(b"".join(self._body))
            self._hash.update(body)
            self._body = [body]
            if self._sse is not None:
                self._take_payloads(self._sse.feed(body))
        if self._sse is not None:
            self._take_payloads(self._sse.close())
        elif self._body:
            self._facts.read_answer(b"".join(self._body))

    def _take_payloads(self, payloads: list[bytes]) -> None:
        facts = self._facts
        for payload in payloads:
            facts.read_chunk(payload)
        if facts.has_content and self._outcome.time_to_first_token_ms is None and self._decode_whole is None:
            self._outcome.time_to_first_token_ms = (self._monotonic() - self._began) * 1000

    def _conclude(self, error: BaseException | None, *, complete: bool) -> None:
        facts, outcome = self._facts, self._outcome
        usage = usage_of(facts.provider_usage)
        outcome.usage = usage
        outcome.usage_source = UsageSource.MISSING if usage is None else UsageSource.PROVIDER
        outcome.provider_usage = _bounded(facts.provider_usage)
        outcome.response_model = facts.model
        outcome.service_tier = facts.service_tier
        outcome.finish_reasons = facts.finish_reasons
        if self._raw_bytes:
            outcome.response_hash = self._hash.value()
        outcome.status = self._status(error, complete=complete)
        if facts.error and outcome.status is not Status.ABORTED:
            outcome.error_type, outcome.error_code, message = describe_error(facts.error)
            outcome.error_message = message and scrub_text(message, self._secrets)
        elif error is not None and outcome.status is not Status.SUCCESS:
            outcome.error_type = type(error).__name__
            outcome.error_message = scrub_text(str(error), self._secrets) or None

    def _status(self, error: BaseException | None, *, complete: bool) -> Status:
        code = self._outcome.http_status_code
        by_code = Status.SUCCESS if code is None else status_of_code(code)
        if by_code is not Status.SUCCESS:
            return by_code
        if self._facts.error:
            return status_of_error(self._facts.error)
        # A client may leave a stream after its last event, without reading on to the end of the body.
        if code is not None and (
            complete or (self._facts.ended and (error is None or not isinstance(error, Exception)))
        ):
            return Status.SUCCESS
        return Status.ABORTED if error is None else status_of_exception(error)


def _logical_call(request_hash: str, retry_count: int) -> str:
    """Tie the attempts of one SDK call: they follow each other in one thread or task, same body, rising count."""
    last = _last_attempt.get()
    if retry_count and last is not None and last[0] == request_hash and last[1] < retry_count:
        logical_call_id = last[2]
    else:
        logical_call_id = new_id()
    _last_attempt.set((request_hash, retry_count, logical_call_id))
    return logical_call_id


def _credentials(headers: Mapping[bytes, bytes]) -> tuple[str | None, str | None]:
    """Return how the caller identifies itself, and with which secret."""
    authorization = headers.get(b"authorization")
    if authorization:
        scheme, _, secret = authorization.decode("latin-1").partition(" ")
        return scheme.lower()[:20] if secret else "other", (secret or scheme).strip()
    for name in _KEY_HEADERS:
        if headers.get(name):
            return "api-key", headers[name].decode("latin-1").strip()
    return None, None


def _header(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return value.decode("latin-1") if value else None


def _number(value: bytes | None) -> int | None:
    return int(value) if value and value.isdigit() and len(value) < 16 else None  # noqa: PLR2004 - no header is longer


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _first_int(*values: Any) -> int | None:
    return next((value for value in values if type(value) is int and value >= 0), None)


def _bounded(usage: dict[str, Any] | None) -> dict[str, Any] | None:
    if usage is None or len(msgspec.json.encode(usage)) > _MAX_USAGE_BYTES:
        return None
    return usage
