"""Errors as providers put them into bodies: type, code, message, and the status they stand for."""

from typing import Any, Final, NamedTuple

from tokentrail.producers.http_status import status_of_code
from tokentrail.schemas.events import Status


class WireError(NamedTuple):
    """An error that a provider has told. `message` is the provider's text: scrub it before it is kept."""

    type: str | None
    code: str | None
    message: str | None

    @property
    def status(self) -> Status:
        """The status it stands for where HTTP itself said 200, as in the middle of a stream."""
        return status_of_error(self)


_RATE_LIMITED: Final = """
    rate_limit_error rate_limit_exceeded rate_limit rate_limited rate_limit_reached rate_limit_reached_error
    insufficient_quota quota_exceeded exceeded_current_quota_error too_many_requests toomanyrequests resource_exhausted
    throttlingexception servicequotaexceededexception tokens requests
"""
_AUTH_FAILED: Final = """
    authentication_error permission_error permission_denied permissiondenied unauthenticated unauthorized forbidden
    invalid_api_key invalid_authentication_error incorrect_api_key access_denied accessdeniedexception
    unrecognizedclientexception expiredtokenexception invalidsignatureexception
"""
_TIMEOUT: Final = "timeout timeout_error deadline_exceeded modeltimeoutexception request_timeout"
_CLIENT_ERROR: Final = """
    invalid_request_error invalid_request invalid_argument invalid_prompt bad_request badrequesterror not_found_error
    not_found request_too_large context_length_exceeded content_filter failed_precondition billing_error
    validationexception resourcenotfoundexception
"""
_BY_NAME: Final[dict[str, Status]] = {
    name: status
    for status, names in (
        (Status.RATE_LIMITED, _RATE_LIMITED),
        (Status.AUTH_FAILED, _AUTH_FAILED),
        (Status.TIMEOUT, _TIMEOUT),
        (Status.CLIENT_ERROR, _CLIENT_ERROR),
    )
    for name in names.split()
}


def status_of_error(error: WireError) -> Status:
    """Return the status an error inside a 200 answer stands for; SERVER_ERROR, overloaded too, unless it says else."""
    for name in (error.code, error.type):
        if name is None:
            continue
        if name.isdecimal() and len(name) == 3:  # noqa: PLR2004 - an HTTP status
            by_code = status_of_code(int(name))
            if by_code is not Status.SUCCESS:
                return by_code
        elif name.lower() in _BY_NAME:
            return _BY_NAME[name.lower()]
    return Status.SERVER_ERROR


def error_of(error: Any, beside: Any = None) -> WireError | None:
    """Return the error that a body's `error` field holds; None where it holds none.

    `beside` is what stands as `code` next to it: xAI says `{"code": …, "error": "text"}`.
    """
    if isinstance(error, list) and error:
        error = error[0]
    if not error or isinstance(error, bool):
        return None
    if not isinstance(error, dict):
        return WireError(None, name_of(beside), str(error))
    inner = error.get("error")
    if isinstance(inner, dict) and "message" not in error:  # relays wrap the error of the provider behind them
        return error_of(inner, beside)
    kind = next((one for one in (error.get("type"), error.get("status")) if isinstance(one, str)), None)
    code = error.get("code") if error.get("code") is not None else error.get("status_code", beside)
    return WireError(kind, name_of(code), _message(error))


def error_beside(message: Any, kind: Any, code: Any, detail: Any) -> WireError | None:
    """Return the error of a body that has no `error` field: `{"message": …}`, `{"detail": …}` at its top."""
    if isinstance(message, dict) and isinstance(message.get("detail"), list):  # Mistral's 422, wrapped
        message, detail = None, message["detail"]
    if isinstance(message, str) and message:
        return WireError(name_of(kind), name_of(code), message)
    if isinstance(detail, str) and detail:
        return WireError(name_of(kind), name_of(code), detail)
    first = detail[0] if isinstance(detail, list) and detail else None
    if isinstance(first, dict):  # FastAPI's validation errors
        return WireError(name_of(first.get("type")), name_of(code), _message({"message": first.get("msg")}))
    return None


def name_of(value: Any) -> str | None:
    """Return a name or number as text; None for everything else."""
    return str(value) if isinstance(value, str) or type(value) is int else None


def _message(error: dict[str, Any]) -> str | None:
    message = error.get("message") or error.get("msg") or error.get("detail")
    return None if message is None else str(message)
