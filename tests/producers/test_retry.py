"""Passing failures are tried again, lasting ones are not, and each attempt can be told apart by whoever records it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.errors import SettingsError
from tokentrail.producers.attempts import AttemptNumber, attempt_number
from tokentrail.producers.retry import Retries, RetryingTransport, retry_after_s, retrying

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
URL = "http://127.0.0.1/v1/chat/completions"


@pytest.fixture(params=[httpx, httpx2], ids=lambda library: library.__name__)
def library(request: pytest.FixtureRequest) -> ModuleType:
    found: ModuleType = request.param
    return found


class Server:
    """Answers each attempt in turn: with a status, a response, or an exception."""

    def __init__(self, library: Any, *answers: Any) -> None:
        self.library = library
        self.answers = list(answers)
        self.attempts: list[AttemptNumber | None] = []
        self.bodies: list[bytes] = []
        self.responses: list[Any] = []
        self.waits_s: list[float] = []

    def __call__(self, request: Any) -> Any:
        self.attempts.append(attempt_number.get())
        self.bodies.append(request.read())
        return self._answer()

    async def answer_async(self, request: Any) -> Any:
        await asyncio.sleep(0)
        self.attempts.append(attempt_number.get())
        self.bodies.append(await request.aread())
        return self._answer()

    def _answer(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        response = self.library.Response(answer) if isinstance(answer, int) else answer
        self.responses.append(response)
        return response

    def client(self, retries: Retries | int = 2) -> Any:
        transport = retrying(self.library.MockTransport(self), retries)
        assert isinstance(transport, RetryingTransport)
        transport._sleeps = {"sleep": self.waits_s.append}
        transport._now = lambda: NOW
        return self.library.Client(transport=transport)

    def async_client(self, retries: Retries | int = 2) -> Any:
        async def sleep(seconds: float) -> None:
            self.waits_s.append(seconds)

        transport = retrying(self.library.MockTransport(self.answer_async), retries)
        assert isinstance(transport, RetryingTransport)
        transport._sleeps = {"sleep": sleep}
        transport._now = lambda: NOW
        return self.library.AsyncClient(transport=transport)


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504, 529])
def test_passing_failure_is_tried_again(library: ModuleType, code: int) -> None:
    server = Server(library, code, 200)
    with server.client() as client:
        assert client.post(URL, content=b"question").status_code == 200
    assert server.bodies == [b"question"] * 2
    assert server.responses[0].is_closed
    assert len(server.waits_s) == 1


@pytest.mark.parametrize("code", [200, 302, 400, 401, 403, 404, 409, 422, 501, 505])
def test_lasting_answer_is_the_callers_at_once(library: ModuleType, code: int) -> None:
    server = Server(library, code)
    with server.client() as client:
        assert client.post(URL).status_code == code
    assert not server.waits_s


@pytest.mark.parametrize("kind", ["ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "ConnectError",
                                  "ReadError", "RemoteProtocolError"])  # fmt: skip
def test_timeouts_and_connection_errors_are_tried_again(library: ModuleType, kind: str) -> None:
    server = Server(library, getattr(library, kind)("m"), 200)
    with server.client() as client:
        assert client.post(URL).status_code == 200


@pytest.mark.parametrize("kind", ["UnsupportedProtocol", "LocalProtocolError"])
def test_the_callers_own_mistake_is_not_tried_again(library: ModuleType, kind: str) -> None:
    error = getattr(library, kind)("m")
    server = Server(library, error)
    with server.client() as client, pytest.raises(type(error)) as raised:
        client.post(URL)
    assert raised.value is error


def test_last_answer_is_the_callers_and_can_still_be_read(library: Any) -> None:
    last = library.Response(429, content=b"slow down")
    server = Server(library, 429, 429, last)
    with server.client() as client:
        answer = client.post(URL)
    assert (answer.status_code, answer.content) == (429, b"slow down")
    assert len(server.waits_s) == 2


def test_last_exception_is_the_callers_own(library: Any) -> None:
    errors = [library.ReadTimeout("one"), library.ReadTimeout("two"), library.ReadTimeout("three")]
    with Server(library, *errors).client() as client, pytest.raises(library.ReadTimeout) as raised:
        client.post(URL)
    assert raised.value is errors[-1]
    assert raised.value.__cause__ is None


def test_what_is_no_exception_of_the_library_ends_it(library: Any) -> None:
    interrupt = KeyboardInterrupt()
    with Server(library, interrupt).client() as client, pytest.raises(KeyboardInterrupt):
        client.post(URL)


def test_attempts_share_a_call_and_are_counted(library: Any) -> None:
    server = Server(library, 500, library.ReadTimeout("m"), 200, 200)
    with server.client() as client:
        client.post(URL)
        client.post(URL)
    first, second, third, other = server.attempts
    assert first and second and third and other  # noqa: PT018 - for the type checker
    assert [each.retry_count for each in (first, second, third, other)] == [0, 1, 2, 0]
    assert first.logical_call_id == second.logical_call_id == third.logical_call_id != other.logical_call_id
    assert attempt_number.get() is None


def test_attempts_inside_a_call_that_somebody_above_counts_go_on_from_there(library: Any) -> None:
    server = Server(library, 500, 200)
    token = attempt_number.set(AttemptNumber("one call", 3))
    with server.client() as client:
        client.post(URL)
    attempt_number.reset(token)
    assert server.attempts == [("one call", 3), ("one call", 4)]


def test_a_streamed_body_is_sent_once(library: Any) -> None:
    def body() -> Iterator[bytes]:
        yield b"question"

    server = Server(library, 500)
    with server.client() as client:
        assert client.post(URL, content=body()).status_code == 500
    assert server.attempts == [None]


def test_waits_grow_and_are_spread(library: Any) -> None:
    server = Server(library, *[500] * 6)
    with server.client(Retries(max_retries=5, first_wait_s=1, max_wait_s=4)) as client:
        client.post(URL)
    for wait_s, at_least_s in zip(server.waits_s, (1, 2, 4, 4, 4), strict=True):
        assert at_least_s <= wait_s <= at_least_s + 1
    assert len({wait_s % 1 for wait_s in server.waits_s}) > 1


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "7"},
        {"retry-after": format_datetime(NOW + timedelta(seconds=7), usegmt=True)},
        {"retry-after-ms": "7000", "retry-after": "1"},
    ],
)
def test_the_server_says_how_long_to_wait(library: Any, headers: dict[str, str]) -> None:
    server = Server(library, library.Response(429, headers=headers), 200)
    with server.client() as client:
        client.post(URL)
    assert 7 <= server.waits_s[0] <= 7.5


@pytest.mark.parametrize("headers", [{"retry-after": "61"}, {"x-should-retry": "false"}])
def test_a_server_that_wants_none_or_none_soon_gets_no_second_attempt(library: Any, headers: dict[str, str]) -> None:
    server = Server(library, library.Response(429, headers=headers))
    with server.client() as client:
        assert client.post(URL).status_code == 429


@pytest.mark.parametrize("value", ["", "soon", "-3", "nan", "inf", "Sat, 99 Nov 2026 12:00:00 GMT"])
def test_a_retry_after_that_means_nothing_is_none(value: str) -> None:
    assert retry_after_s({"retry-after": value}, NOW) is None


def test_a_date_that_is_past_means_now() -> None:
    assert retry_after_s({"retry-after": format_datetime(NOW - timedelta(hours=1), usegmt=True)}, NOW) == 0


@given(st.text(), st.text())
def test_no_header_can_make_reading_it_fail(value: str, milliseconds: str) -> None:
    seconds = retry_after_s({"retry-after": value, "retry-after-ms": milliseconds}, NOW)
    assert seconds is None or 0 <= seconds < float("inf")


def test_an_answer_that_nobody_sees_is_read_to_its_end_unless_it_is_long(library: Any) -> None:
    read: list[int] = []

    def pieces(count: int) -> Iterator[bytes]:
        for number in range(count):
            read.append(number)
            yield b"x" * 1024

    server = Server(library, library.Response(500, content=pieces(3)), library.Response(500, content=pieces(999)), 200)
    with server.client() as client:
        client.post(URL)
    assert read == [0, 1, 2, *range(65)]
    assert all(response.is_closed for response in server.responses)


async def test_async_clients_retry_in_the_same_way(library: Any) -> None:
    server = Server(library, 429, library.ConnectError("m"), 200)
    async with server.async_client() as client:
        assert (await client.post(URL, content=b"question")).status_code == 200
    assert [each.retry_count for each in server.attempts if each] == [0, 1, 2]
    assert server.bodies == [b"question"] * 3
    assert server.responses[0].is_closed


async def test_async_calls_side_by_side_are_counted_apart(library: Any) -> None:
    server = Server(library, *[500] * 8, *[200] * 8)
    async with server.async_client(Retries(max_retries=2)) as client:
        answers = await asyncio.gather(*(client.post(URL) for _ in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    by_call: dict[str, list[int]] = {}
    for each in server.attempts:
        assert each is not None
        by_call.setdefault(each.logical_call_id, []).append(each.retry_count)
    assert list(by_call.values()) == [[0, 1]] * 8


async def test_cancelled_call_is_not_tried_again(library: Any) -> None:
    server = Server(library, asyncio.CancelledError())
    async with server.async_client() as client:
        with pytest.raises(asyncio.CancelledError):
            await client.post(URL)
    assert len(server.attempts) == 1


def test_no_retries_is_the_transport_itself(library: Any) -> None:
    transport = library.MockTransport(lambda _: None)
    assert retrying(transport, 0) is transport


@pytest.mark.parametrize("retries", [-1, 21, Retries(first_wait_s=-1)])
def test_numbers_out_of_range_are_refused(library: Any, retries: Retries | int) -> None:
    with pytest.raises(ValueError, match="cannot be made"):
        retrying(library.MockTransport(lambda _: None), retries)


def test_without_tenacity_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, library: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tenacity", None)
    with pytest.raises(SettingsError, match=r"tokentrail\[retry\]"):
        retrying(library.MockTransport(lambda _: None), 2)
