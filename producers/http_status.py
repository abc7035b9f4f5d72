"""What an HTTP status or an exception says about how a call ended; knows no HTTP library."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from tokentrail.schemas.events import Status

_BY_CODE: Final[dict[int, Status]] = {
    HTTPStatus.UNAUTHORIZED: Status.AUTH_FAILED,
    HTTPStatus.FORBIDDEN: Status.AUTH_FAILED,
    HTTPStatus.TOO_MANY_REQUESTS: Status.RATE_LIMITED,
    HTTPStatus.REQUEST_TIMEOUT: Status.TIMEOUT,
    HTTPStatus.GATEWAY_TIMEOUT: Status.TIMEOUT,
}
_TIMEOUTS: Final = frozenset(("TimeoutException", "TimeoutError", "Timeout", "ReadTimeoutError", "ConnectTimeoutError"))
_CANCELLED: Final = frozenset(("CancelledError", "Cancelled"))
_TOO_GENERAL: Final = frozenset(("OSError", "Exception", "BaseException", "object"))
_CALLERS_OWN: Final = frozenset(("UnsupportedProtocol", "LocalProtocolError"))
_CONNECTION: Final = frozenset((
    "TransportError", "OSError", "EndOfStream", "IncompleteRead", "ProtocolError", "NewConnectionError",
    "ClientConnectionError", "ClientPayloadError", "SSLError", "MaxRetryError",
))  # fmt: skip


def status_of_code(code: int) -> Status:
    """Return the status an HTTP answer stands for."""
    if code < HTTPStatus.BAD_REQUEST:
        return Status.SUCCESS
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR and code != HTTPStatus.GATEWAY_TIMEOUT:
        return Status.SERVER_ERROR
    return _BY_CODE.get(code, Status.CLIENT_ERROR)


def names_of(error: BaseException) -> tuple[str, ...]:
    """Return the names of the exception's class and its bases, and of what it wraps, its own first."""
    names = [kind.__name__ for kind in type(error).__mro__]
    for wrapped in (getattr(error, "reason", None), error.__cause__):  # urllib3 and aiohttp wrap the one that tells
        if isinstance(wrapped, Exception):
            names += [kind.__name__ for kind in type(wrapped).__mro__ if kind.__name__ not in _TOO_GENERAL]
    return tuple(names)


def status_of_exception(error: BaseException) -> Status:
    """Return the status an exception stands for; as `status_of_names`."""
    return status_of_names(names_of(error))


def status_of_names(error_names: Iterable[str]) -> Status:
    """Return the status an exception stands for, told by `names_of`: no HTTP library is imported for it.

    Cancellation, KeyboardInterrupt and a generator that was closed are ABORTED.
    """
    names = frozenset(error_names)
    if "Exception" not in names or names & _CANCELLED:
        return Status.ABORTED
    if names & _CALLERS_OWN:
        return Status.CLIENT_ERROR
    if names & _TIMEOUTS and "NewConnectionError" not in names:  # urllib3's refused connection is a timeout by class
        return Status.TIMEOUT
    if names & _CONNECTION:
        return Status.CONNECTION_ERROR
    return Status.CLIENT_ERROR
