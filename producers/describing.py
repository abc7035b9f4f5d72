"""What a request says, as a `Call` and the beginnings of an `Outcome`. Runs in the scribe's thread; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from tokentrail.producers.answering import AnswerReading
from tokentrail.producers.calls import Call, Outcome, new_id
from tokentrail.producers.fingerprints import Fingerprints, key_hint
from tokentrail.producers.headers import Credentials, credentials_of, header_dict, header_text, retry_count_of
from tokentrail.producers.providers import Provider, generic_wire, provider_named, provider_of
from tokentrail.producers.wire.reading import RequestRead, WireFormat
from tokentrail.schemas.events import Status

if TYPE_CHECKING:
    from tokentrail.producers.content import Content
    from tokentrail.producers.exchange import Exchange

_RETRIED: Final = frozenset((
    Status.RATE_LIMITED, Status.SERVER_ERROR, Status.TIMEOUT, Status.CONNECTION_ERROR,
))  # fmt: skip
_RETRY_WITHIN_NS: Final = 180_000_000_000
"""A failed call that is repeated later than this is another call of the user's code."""
_HINTED: Final = ("bearer", "api-key", "aws-sigv4", "token", "key", "apikey", "other")
"""Not `basic` and its like: there the last four characters are the end of a password."""
_NOTHING_READ: Final = RequestRead()


class CaptureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a client says about all its calls. `relays` maps `host` or `host:port` to a provider's name."""

    labels: dict[str, str] = {}
    provider: str | None = None
    """The provider of all calls, whatever the host."""
    relays: dict[str, str] = {}

    def provider_name(self, host: str, port: int | None) -> str | None:
        """Return the name that the user gave to whoever is behind this address."""
        return self.provider or self.relays.get(f"{host}:{port}") or self.relays.get(host)


class Description(msgspec.Struct, kw_only=True, gc=True):
    """What is known of one attempt."""

    call: Call
    outcome: Outcome
    secrets: tuple[str, ...]
    wire: WireFormat
    began_ns: int
    recorder: Any = None
    """Who has recorded the start, and as which producer: after a fork it is another, and the call not its own."""
    producer_id: str = ""
    answer: Any = None
    """The answer's reading, once there is one."""


class Describer:
    """Describes the requests of one client. For one thread at a time."""

    def __init__(self, options: CaptureOptions, fingerprints: Fingerprints, content: Content) -> None:
        self._options = options
        self._fingerprints = fingerprints
        self._content = content
        self._last_key: tuple[str, str, str] | None = None

    def describe(self, exchange: Exchange) -> Description:
        """Return what the request says."""
        headers = header_dict(exchange.headers)
        path, _, query = exchange.target.partition(b"#")[0].partition(b"?")
        endpoint = path.decode("ascii", "replace")
        credentials = credentials_of(headers, query)
        name, provider = self._provider(exchange.host, exchange.port)
        wire = (provider.wire if provider else generic_wire)(endpoint)
        body = exchange.body
        read = wire.read_request(endpoint, body) if body else _NOTHING_READ
        if not body:
            read = wire.read_request(endpoint, b"")
        call = self._call(exchange, headers, credentials, read)
        call.provider = name
        call.endpoint = endpoint
        call.operation = wire.operation(endpoint)
        outcome = Outcome(
            status=Status.ABORTED,
            http_method=exchange.method,
            auth_method=credentials.method,
            request_hash=self._fingerprints.request_hash(path, body) if body else None,
            temperature=read.temperature,
            max_tokens=read.max_tokens,
            attributes=exchange.attributes and dict(exchange.attributes),
        )
        if body and self._content.wanted:
            text = wire.request_text(body, self._content.limit_chars)
            outcome.prompt_preview = self._content.preview(text, outcome, credentials.secrets)
        _tie(exchange, call, outcome, retry_count_of(headers))
        return Description(
            call=call, outcome=outcome, secrets=credentials.secrets, wire=wire, began_ns=exchange.began_ns
        )

    def begin_reading(self, exchange: Exchange, description: Description) -> AnswerReading:
        """Return what reads the answer."""
        return AnswerReading(exchange, description, self._fingerprints, self._content)

    def _call(
        self, exchange: Exchange, headers: dict[bytes, bytes], credentials: Credentials, read: RequestRead
    ) -> Call:
        key_id, hint = self._identify(credentials.identity) if credentials.identity else (None, None)
        if credentials.method not in _HINTED:
            hint = None
        call = Call(
            user_agent=header_text(headers, b"user-agent"),
            api_key_id=key_id,
            api_key_hint=hint,
            server_address=exchange.host or None,
            request_model=read.model,
            stream=read.stream,
        )
        for labels in (self._options.labels, exchange.labels):
            for label, value in labels.items():
                setattr(call, label, value)
        call.user_id = call.user_id or read.user_id
        call.session_id = call.session_id or read.session_id
        return call

    def _identify(self, key: str) -> tuple[str, str]:
        """Return fingerprint and hint of a key; a client seldom changes its key."""
        last = self._last_key
        if last is None or last[0] != key:
            last = self._last_key = (key, self._fingerprints.key_id(key), key_hint(key))
        return last[1], last[2]

    def _provider(self, host: str, port: int | None) -> tuple[str | None, Provider | None]:
        given = self._options.provider_name(host, port)
        provider = provider_named(given) if given else provider_of(host, port)
        return given or (provider.name if provider else host.lower()) or None, provider


def _tie(exchange: Exchange, call: Call, outcome: Outcome, announced: int | None) -> None:
    """Tie the attempts of one call: told by whoever retries, or the same request again after a failure."""
    attempt, previous = exchange.attempt, exchange.previous
    outcome.retry_count = announced
    if attempt is not None:
        call.logical_call_id = attempt.logical_call_id
        # The SDK inside a retried call may retry as well, and counts from 0 each time.
        outcome.retry_count = max(attempt.retry_count, announced or 0)
        return
    before: Description | None = previous.description if previous is not None else None
    if before is not None and _is_retry(before, call, outcome, announced, exchange.began_ns):
        call.logical_call_id = before.call.logical_call_id
        if announced is None:
            outcome.retry_count = (before.outcome.retry_count or 0) + 1
        return
    call.logical_call_id = new_id()


def _is_retry(before: Description, call: Call, outcome: Outcome, announced: int | None, began_ns: int) -> bool:
    if before.outcome.request_hash != outcome.request_hash or outcome.request_hash is None:
        return False
    if announced is not None:
        return announced > (before.outcome.retry_count or 0)
    if (before.call.user_id, before.call.session_id) != (call.user_id, call.session_id):
        return False  # a thread of a pool, which now works for somebody else
    return before.outcome.status in _RETRIED and began_ns - before.began_ns < _RETRY_WITHIN_NS
