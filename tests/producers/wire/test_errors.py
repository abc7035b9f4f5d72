"""An error inside a 200 answer has the status that its code or type stands for."""

from typing import Any

import pytest

from tokentrail.producers.wire.errors import WireError, error_beside, error_of, status_of_error
from tokentrail.schemas.events import Status


@pytest.mark.parametrize(
    ("kind", "code", "status"),
    [
        ("rate_limit_error", None, Status.RATE_LIMITED),
        ("tokens", "rate_limit_exceeded", Status.RATE_LIMITED),
        (None, "429", Status.RATE_LIMITED),
        ("RESOURCE_EXHAUSTED", "429", Status.RATE_LIMITED),
        ("throttlingException", None, Status.RATE_LIMITED),
        ("insufficient_quota", "insufficient_quota", Status.RATE_LIMITED),
        ("authentication_error", None, Status.AUTH_FAILED),
        ("permission_error", None, Status.AUTH_FAILED),
        ("invalid_request_error", "invalid_api_key", Status.AUTH_FAILED),
        (None, "401", Status.AUTH_FAILED),
        ("PERMISSION_DENIED", "403", Status.AUTH_FAILED),
        ("overloaded_error", None, Status.SERVER_ERROR),
        ("UNAVAILABLE", "503", Status.SERVER_ERROR),
        ("api_error", None, Status.SERVER_ERROR),
        (None, None, Status.SERVER_ERROR),
        ("timeout_error", None, Status.TIMEOUT),
        ("DEADLINE_EXCEEDED", "504", Status.TIMEOUT),
        ("invalid_request_error", None, Status.CLIENT_ERROR),
        ("validationException", None, Status.CLIENT_ERROR),
        (None, "200", Status.SERVER_ERROR),
        (None, "3505", Status.SERVER_ERROR),
    ],
)
def test_error_stands_for_a_status(kind: str | None, code: str | None, status: Status) -> None:
    assert status_of_error(WireError(kind, code, "x")) is status
    assert WireError(kind, code, "x").status is status


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"type": "t", "code": "c", "message": "m"}, WireError("t", "c", "m")),
        ({"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}, WireError("RESOURCE_EXHAUSTED", "429", "m")),
        ({"message": "m", "status_code": 503}, WireError(None, "503", "m")),
        ({"error": {"type": "t", "message": "m"}}, WireError("t", None, "m")),
        ([{"type": "t", "message": "m"}], WireError("t", None, "m")),
        ({"type": ["t"], "code": {}, "message": {"a": 1}}, WireError(None, None, "{'a': 1}")),
        ("m", WireError(None, "c", "m")),
        (None, None),
        ({}, None),
        ("", None),
        (False, None),
        (True, None),
    ],
)
def test_error_is_described(error: Any, expected: WireError | None) -> None:
    assert error_of(error, "c" if error == "m" else None) == expected


def test_error_may_stand_at_the_top_of_a_body() -> None:
    assert error_beside("m", "t", 400, None) == WireError("t", "400", "m")
    assert error_beside(None, None, None, "Unauthorized") == WireError(None, None, "Unauthorized")
    assert error_beside(None, None, None, [{"type": "missing", "msg": "Field required"}]) == WireError(
        "missing", None, "Field required"
    )
    assert error_beside({"role": "assistant"}, None, None, None) is None
