"""What an HTTP status or an exception says about how a call ended; knows no HTTP library."""

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
_TIMEOUTS: Final = frozenset(("TimeoutException", "TimeoutError", "Timeout"))
_CALLERS_OWN: Final = frozenset(("UnsupportedProtocol", "LocalProtocolError"))
_CONNECTION: Final = frozenset(("TransportError", "OSError", "EndOfStream", "IncompleteRead"))


def status_of_code(code: int) -> Status:
    """Return the status an HTTP answer stands for."""
    if code < HTTPStatus.BAD_REQUEST:
        return Status.SUCCESS
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR and code != HTTPStatus.GATEWAY_TIMEOUT:
        return Status.SERVER_ERROR
    return _BY_CODE.get(code, Status.CLIENT_ERROR)


def status_of_exception(error: BaseException) -> Status:
    """Return the status an exception stands for. Told by class names, so that no HTTP library is imported for it.

    Cancellation, KeyboardInterrupt and a generator that was closed are ABORTED.
    """
    if not isinstance(error, Exception):
        return Status.ABORTED
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & _CALLERS_OWN:
        return Status.CLIENT_ERROR
    if names & _TIMEOUTS:
        return Status.TIMEOUT
    if names & _CONNECTION:
        return Status.CONNECTION_ERROR
    return Status.CLIENT_ERROR
