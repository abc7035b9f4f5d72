"""What a request says, as a `Call` and the beginnings of an `Outcome`. Runs in the scribe's thread; no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from tokentrail.producers.answering import AnswerReading
from tokentrail.producers.calls import Call, Outcome, new_id
from tokentrail.producers.fingerprints import Fingerprints, key_hint
from tokentrail.producers.headers import (
    CREDENTIAL_HEADERS,
    Credentials,
    credentials_of,
    header_dict,
    header_text,
    retry_count_of,
)
from tokentrail.producers.providers import generic_wire, provider_named, provider_of
from tokentrail.schemas.events import Status

if TYPE_CHECKING:
    from tokentrail.producers.content import Content
    from tokentrail.producers.exchange import Exchange
    from tokentrail.producers.wire.reading import RequestRead, WireFormat

_RETRIED: Final = frozenset((
    Status.RATE_LIMITED, Status.SERVER_ERROR, Status.TIMEOUT, Status.CONNECTION_ERROR,
))  # fmt: skip
_RETRY_WITHIN_NS: Final = 180_000_000_000
"""A failed call that is repeated later than this is another call of the user's code."""
_HINTED: Final = ("bearer", "api-key", "aws-sigv4", "token", "key", "apikey", "other")
"""Not `basic` and its like: there the last four characters are the end of a password."""
_MOST_REMEMBERED: Final = 256
"""Paths may carry an id, and some schemes sign each request anew: what is remembered of them is bounded."""
KnownT = TypeVar("KnownT")


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


class _Route(msgspec.Struct, frozen=True, gc=False):
    """What the address and the target of a request say: the same for all that go there."""

    path: bytes
    query: bytes
    endpoint: str
    provider: str | None
    wire: WireFormat
    operation: str | None


class _Caller(msgspec.Struct, frozen=True, gc=False):
    """What the credentials of a request say: a client seldom changes its key."""

    credentials: Credentials
    key_id: str | None
    key_hint: str | None


class Describer:
    """Describes the requests of one client. For one thread at a time."""

    def __init__(self, options: CaptureOptions, fingerprints: Fingerprints, content: Content) -> None:
        self._options = options
        self._fingerprints = fingerprints
        self._content = content
        self._routes: dict[tuple[Any, ...], _Route] = {}
        self._callers: dict[tuple[Any, ...], _Caller] = {}

    def describe(self, exchange: Exchange) -> Description:
        """Return what the request says."""
        headers = header_dict(exchange.headers)
        place = (exchange.host, exchange.port, exchange.target)
        route = self._routes.get(place) or self._find_route(*place)
        said = (route.query, *map(headers.get, CREDENTIAL_HEADERS))
        caller = self._callers.get(said) or self._find_caller(said, headers)
        credentials, body = caller.credentials, exchange.body
        read = route.wire.read_request(route.endpoint, body or b"")
        call = self._call(exchange, headers, route, caller, read)
        outcome = Outcome(
            status=Status.ABORTED,
            http_method=exchange.method,
            auth_method=credentials.method,
            request_hash=self._fingerprints.request_hash(route.path, body) if body else None,
            temperature=read.temperature,
            max_tokens=read.max_tokens,
            attributes=exchange.attributes and dict(exchange.attributes),
        )
        if body and self._content.wanted:
            text = route.wire.request_text(body, self._content.limit_chars)
            outcome.prompt_preview = self._content.preview(text, outcome, credentials.secrets)
        _tie(exchange, call, outcome, retry_count_of(headers))
        return Description(
            call=call, outcome=outcome, secrets=credentials.secrets, wire=route.wire, began_ns=exchange.began_ns
        )

    def begin_reading(self, exchange: Exchange, description: Description) -> AnswerReading:
        """Return what reads the answer."""
        return AnswerReading(exchange, description, self._fingerprints, self._content)

    def _call(
        self, exchange: Exchange, headers: dict[bytes, bytes], route: _Route, caller: _Caller, read: RequestRead
    ) -> Call:
        call = Call(
            user_agent=header_text(headers, b"user-agent"),
            api_key_id=caller.key_id,
            api_key_hint=caller.key_hint,
            provider=route.provider,
            server_address=exchange.host or None,
            endpoint=route.endpoint,
            operation=route.operation,
            request_model=read.model,
            stream=read.stream,
        )
        for labels in (self._options.labels, exchange.labels):
            for label, value in labels.items():
                setattr(call, label, value)
        call.user_id = call.user_id or read.user_id
        call.session_id = call.session_id or read.session_id
        return call

    def _find_route(self, host: str, port: int | None, target: bytes) -> _Route:
        path, _, query = target.partition(b"#")[0].partition(b"?")
        endpoint = path.decode("ascii", "replace")
        given = self._options.provider_name(host, port)
        provider = provider_named(given) if given else provider_of(host, port)
        name = given or (provider.name if provider else host.lower()) or None
        wire = (provider.wire if provider else generic_wire)(endpoint)
        route = _Route(path, query, endpoint, name, wire, wire.operation(endpoint))
        return _remember(self._routes, (host, port, target), route)

    def _find_caller(self, said: tuple[Any, ...], headers: dict[bytes, bytes]) -> _Caller:
        credentials = credentials_of(headers, said[0])
        key = credentials.identity
        hint = key_hint(key) if key and credentials.method in _HINTED else None
        caller = _Caller(credentials, self._fingerprints.key_id(key) if key else None, hint)
        return _remember(self._callers, said, caller)


def _remember(known: dict[tuple[Any, ...], KnownT], what: tuple[Any, ...], found: KnownT) -> KnownT:
    if len(known) >= _MOST_REMEMBERED:
        known.clear()
    known[what] = found
    return found


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
