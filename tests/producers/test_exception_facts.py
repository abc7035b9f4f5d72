"""What exceptions of any library say about a call, on the real ones where they are installed."""

import asyncio
import concurrent.futures
import http.client
import socket
import ssl
import urllib.error
from email.message import Message
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import httpx2
import openai
import pytest
import requests
import urllib3.exceptions

from tokentrail.producers.exception_facts import describe_exception


def openai_error(kind: Any, code: int, body: object = None) -> Exception:
    request = httpx2.Request("POST", "https://api.openai.com/v1/chat/completions")
    made: Exception = kind("m", response=httpx2.Response(code, request=request), body=body)
    return made


def chained(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


class BotocoreClientError(Exception):
    """As botocore.exceptions.ClientError keeps its answer."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}


REQUEST = httpx.Request("GET", "https://example.com")
CASES: list[tuple[BaseException, str, int | None]] = [
    (openai_error(openai.RateLimitError, 429), "RATE_LIMITED", 429),
    (openai_error(openai.AuthenticationError, 401), "AUTH_FAILED", 401),
    (openai_error(openai.PermissionDeniedError, 403), "AUTH_FAILED", 403),
    (openai_error(openai.BadRequestError, 400), "CLIENT_ERROR", 400),
    (openai_error(openai.InternalServerError, 503), "SERVER_ERROR", 503),
    (openai.APITimeoutError(httpx2.Request("GET", "https://example.com")), "TIMEOUT", None),
    (openai.APIConnectionError(request=httpx2.Request("GET", "https://example.com")), "CONNECTION_ERROR", None),
    (httpx.HTTPStatusError("m", request=REQUEST, response=httpx.Response(504)), "TIMEOUT", 504),
    (httpx.ReadTimeout("m"), "TIMEOUT", None),
    (httpx2.ConnectError("m"), "CONNECTION_ERROR", None),
    (requests.ConnectTimeout(), "TIMEOUT", None),
    (requests.ConnectionError(), "CONNECTION_ERROR", None),
    (requests.HTTPError(response=SimpleNamespace(status_code=500)), "SERVER_ERROR", 500),
    (urllib3.exceptions.ProtocolError("m"), "CONNECTION_ERROR", None),
    (aiohttp.ServerTimeoutError(), "TIMEOUT", None),
    (aiohttp.ClientConnectionError(), "CONNECTION_ERROR", None),
    (aiohttp.ClientResponseError(None, (), status=429), "RATE_LIMITED", 429),  # type: ignore[arg-type] # not looked at
    (urllib.error.HTTPError("u", 403, "m", Message(), None), "AUTH_FAILED", 403),
    (urllib.error.URLError(TimeoutError()), "TIMEOUT", None),
    (urllib.error.URLError(OSError()), "CONNECTION_ERROR", None),
    (BotocoreClientError("ThrottlingException", 429), "RATE_LIMITED", 429),
    (http.client.RemoteDisconnected("m"), "CONNECTION_ERROR", None),
    (ssl.SSLError(), "CONNECTION_ERROR", None),
    (socket.gaierror(), "CONNECTION_ERROR", None),
    (TimeoutError(), "TIMEOUT", None),
    (ConnectionResetError(), "CONNECTION_ERROR", None),
    (chained(RuntimeError("the model failed"), httpx.ReadTimeout("m")), "TIMEOUT", None),
    (chained(RuntimeError("the model failed"), openai_error(openai.RateLimitError, 429)), "RATE_LIMITED", 429),
    (concurrent.futures.CancelledError(), "ABORTED", None),
    (asyncio.CancelledError(), "ABORTED", None),
    (KeyboardInterrupt(), "ABORTED", None),
    (SystemExit(500), "ABORTED", None),
    (FileNotFoundError(), "CLIENT_ERROR", None),
    (KeyError("x"), "CLIENT_ERROR", None),
]


@pytest.mark.parametrize(("error", "status", "code"), CASES, ids=lambda case: getattr(type(case), "__name__", case))
def test_status_of_an_exception(error: BaseException, status: str, code: int | None) -> None:
    facts = describe_exception(error)
    assert (facts.status, facts.http_status_code, facts.type) == (status, code, type(error).__name__)


def test_a_success_that_hangs_on_an_exception_is_not_what_it_was_raised_for() -> None:
    error = requests.JSONDecodeError("m", "", 0)
    error.response = SimpleNamespace(status_code=200)  # type: ignore[assignment] # not looked at
    assert (describe_exception(error).status, describe_exception(error).http_status_code) == ("CLIENT_ERROR", None)


def test_the_providers_own_code_is_kept() -> None:
    body = {"code": "insufficient_quota", "message": "m", "type": "t"}
    assert describe_exception(openai_error(openai.RateLimitError, 429, body)).code == "insufficient_quota"
    assert describe_exception(BotocoreClientError("ThrottlingException", 429)).code == "ThrottlingException"


def test_keys_are_cut_out_of_a_providers_message() -> None:
    error = httpx.ConnectError("wrong key sk-proj-0123456789abcdefABCD or hunter2hunter2")
    message = describe_exception(error, ("hunter2hunter2",)).message
    assert message is not None
    assert message.startswith("wrong key ")
    assert "0123456789" not in message
    assert "hunter2" not in message


def test_text_of_the_callers_own_exception_is_left_out_for_it_may_quote_a_prompt() -> None:
    own = ValueError("cannot parse: the patient said")
    assert describe_exception(own).message is None
    assert describe_exception(chained(own, httpx.ReadTimeout("timed out"))).message == "timed out"


def test_an_exception_that_fails_itself_is_described_all_the_same() -> None:
    class RudeTimeout(Exception):  # noqa: N818 - as some libraries name theirs
        @property
        def status_code(self) -> int:
            raise RuntimeError

        def __str__(self) -> str:
            raise RuntimeError

    facts = describe_exception(RudeTimeout())
    assert (facts.status, facts.type, facts.message) == ("TIMEOUT", "RudeTimeout", None)
