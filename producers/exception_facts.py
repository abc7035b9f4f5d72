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
    """How a call ended that raised. `message` is the provider's or the network's, cut and searched for keys.

    `code` is the provider's own word.
    """

    status: Status
    type: str
    http_status_code: int | None = None
    code: str | None = None
    message: str | None = None


def describe_exception(error: BaseException, secrets: tuple[str, ...] = ()) -> ExceptionFacts:
    """Return what is known. Does not raise, whatever the exception's attributes do.

    Cancellation, KeyboardInterrupt and a closed generator are ABORTED; else an HTTP status decides, then the class of
    the exception or of what it was raised from; what says nothing is the caller's own: CLIENT_ERROR. Of
    that one, and of Python's own exceptions without an errno, the text is left out, for it may quote a prompt.
    """
    kind = type(error).__name__
    if not isinstance(error, Exception) or _names(error) & _CANCELLED:
        return ExceptionFacts(Status.ABORTED, kind)
    status, http_code, code, telling = Status.CLIENT_ERROR, None, None, None
    with _READING:
        telling = next(filter(_http_code, _causes(error)), None)
        if telling is not None:
            http_code = _http_code(telling)
            status = status_of_code(http_code or 0)
    if telling is None:
        status, telling = _by_class(error)
    message = None
    with _READING:
        code = _provider_code(telling or error)
    with _READING:
        if telling is not None and _is_of_a_library(telling):
            message = scrub_text(str(telling)[:_MAX_MESSAGE_CHARS], secrets)
    return ExceptionFacts(status, kind, http_code, code, message or None)


def _is_of_a_library(error: BaseException) -> bool:
    """Return whether the text is a library's or the system's: Python's own exceptions anybody raises, with any text."""
    return type(error).__module__ != "builtins" or isinstance(getattr(error, "errno", None), int)


def _by_class(error: Exception) -> tuple[Status, BaseException | None]:
    """Return what the class names say, and the exception that says it."""
    causes = list(_causes(error))
    for each in causes:
        if any(sign in name.lower() for name in _names(each) for sign in _TIMEOUTS):
            return Status.TIMEOUT, each
    for each in causes:
        if _names(each) & _CONNECTIONS:
            return Status.CONNECTION_ERROR, each
    return Status.CLIENT_ERROR, None


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
