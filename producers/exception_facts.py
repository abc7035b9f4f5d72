"""What an exception of unknown origin says about a call: told by its attributes and class names, importing nothing."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tokentrail.producers.guard import guarded
from tokentrail.producers.http_status import status_of_code
from tokentrail.producers.scrubbing import scrub_text
from tokentrail.schemas.events import Status

_READING: Final = guarded("reading an exception")
_MAX_CAUSES: Final = 5
_MAX_MESSAGE_CHARS: Final = 2_000
_HTTP_ERRORS: Final = range(400, 600)
"""An answer that was no error is not what was raised for."""
_CODE_NAMES: Final = ("status_code", "http_status", "code", "status")
"""Where openai, httpx, google-api-core, urllib and aiohttp keep an HTTP status."""
_CANCELLED: Final = frozenset(("CancelledError", "Cancelled"))
_TIMEOUTS: Final = ("timeout", "timedout", "deadlineexceeded")
_CONNECTIONS: Final = frozenset((
    "ConnectionError", "ConnectError", "APIConnectionError", "ClientConnectionError", "EndpointConnectionError",
    "NetworkError", "TransportError", "ServiceUnavailable", "URLError", "SSLError", "gaierror", "RemoteDisconnected",
    "IncompleteRead", "ProtocolError", "ProxyError",
))  # fmt: skip


class ExceptionFacts(msgspec.Struct, frozen=True):
    """How a call ended that raised. `message` is cut, and searched for keys; `code` is the provider's own word."""

    status: Status
    type: str
    http_status_code: int | None = None
    code: str | None = None
    message: str | None = None


def describe_exception(error: BaseException) -> ExceptionFacts:
    """Return what is known. Does not raise, whatever the exception's attributes do.

    Cancellation, KeyboardInterrupt and a closed generator are ABORTED; else an HTTP status decides, then the class of
    the exception or of what it was raised from; what says nothing is the caller's own: CLIENT_ERROR.
    """
    kind = type(error).__name__
    if not isinstance(error, Exception) or _names(error) & _CANCELLED:
        return ExceptionFacts(Status.ABORTED, kind)
    http_code = code = message = None
    with _READING:
        http_code = next((found for each in _causes(error) if (found := _http_code(each)) is not None), None)
    with _READING:
        code = _provider_code(error)
    with _READING:
        message = scrub_text(str(error)[:_MAX_MESSAGE_CHARS], ()) or None
    return ExceptionFacts(_status(error, http_code), kind, http_code, code, message)


def _status(error: Exception, http_code: int | None) -> Status:
    if http_code is not None:
        return status_of_code(http_code)
    names = set[str]().union(*map(_names, _causes(error)))
    if any(sign in name.lower() for name in names for sign in _TIMEOUTS):
        return Status.TIMEOUT
    return Status.CONNECTION_ERROR if names & _CONNECTIONS else Status.CLIENT_ERROR


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and what it was raised from, at most a few; urllib keeps that in `reason`."""
    each: Any = error
    for _ in range(_MAX_CAUSES):
        yield each
        reason = getattr(each, "reason", None)
        each = reason if isinstance(reason, BaseException) else each.__cause__
        if each is None:
            return


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _http_code(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    candidates = [_plain(error, name) for name in _CODE_NAMES]
    if isinstance(response, dict):  # botocore
        candidates.append(response.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    else:
        candidates += [getattr(response, name, None) for name in ("status_code", "status")]
    codes = (int(value) for value in candidates if isinstance(value, int))
    return next((code for code in codes if code in _HTTP_ERRORS), None)


def _provider_code(error: BaseException) -> str | None:
    code = _plain(error, "code")
    response = getattr(error, "response", None)
    if not isinstance(code, str) and isinstance(response, dict):  # botocore
        code = response.get("Error", {}).get("Code")
    return code if isinstance(code, str) else None


def _plain(error: BaseException, name: str) -> Any:
    """Return an attribute that is no property: those may do anything, and aiohttp's `code` warns."""
    return None if isinstance(getattr(type(error), name, None), property) else getattr(error, name, None)
