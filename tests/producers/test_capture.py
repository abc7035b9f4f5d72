"""What is kept of calls in the caller's hands, which calls belong together, and where one call ends."""

import asyncio
import types
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import httpx2
import pytest

import tokentrail
from tokentrail.producers.calls import Call
from tokentrail.producers.capture import Capture
from tokentrail.producers.captures import capture
from tokentrail.producers.scribe import Scribe
from tokentrail.producers.suppression import suppressed
from tokentrail.producers.transport import wrap_transport

URL = "https://api.openai.com/v1/chat/completions"
ASK: dict[str, Any] = {"model": "gpt-x", "messages": []}


def client(trail: Any, *codes: int) -> httpx2.Client:
    """Return a recording client whose server answers with these codes, one after another."""
    left = list(codes)
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(left.pop(0), json={"model": "gpt-x"}))
    return httpx2.Client(transport=wrap_transport(transport, capture(recorder=trail.recorder)))


@types.coroutine
def pause() -> Generator[None, None, None]:
    """Wait, without an event loop, for whoever runs this."""
    yield


def test_of_calls_that_cannot_be_taken_nothing_is_kept(trail: Any) -> None:
    scribe = Scribe(max_jobs=0)
    made = capture(recorder=trail.recorder)
    overloaded = Capture(lambda: trail.recorder, made._prepare, lambda: scribe)

    exchanges = [overloaded.begin("POST", "api.openai.com", None, b"/v1/x", [], b"x" * 1000) for _ in range(3)]
    for exchange in exchanges:
        exchange.chunk(b"y" * 300_000)
        exchange.chunk(b"y")
        exchange.end()

    assert [(each.previous, each.body, each.pieces) for each in exchanges] == [(None, None, [])] * 3
    assert exchanges[0].pieces_lost


def test_where_there_is_no_room_for_a_body_the_call_is_recorded_without_it(trail: Any) -> None:
    scribe = Scribe(max_bytes=10_000)
    made = capture(recorder=trail.recorder)
    full = Capture(lambda: trail.recorder, made._prepare, lambda: scribe)

    body = b'{"model": "gpt-x"}' + b" " * 9_000
    exchange = full.begin("POST", "api.openai.com", None, b"/v1/chat/completions", [], body)
    exchange.answered(200, [], decoded=True)
    exchange.chunk(b'{"model": "gpt-x"}' + b" " * 20_000)
    exchange.end()

    assert scribe.close(10)
    assert (trail.only.request_model, trail.only.response_model) == ("gpt-x", None)
    assert (trail.only.status, trail.only.http_status_code, trail.only.response_hash) == ("SUCCESS", 200, None)
    assert scribe.dropped == {"overloaded_bytes": 1}


def test_an_answer_with_a_gap_has_no_fingerprint(trail: Any) -> None:
    made = capture(recorder=trail.recorder)
    exchange = made.begin("POST", "api.openai.com", None, b"/v1/chat/completions", [], b"{}")
    exchange.answered(200, [], decoded=True)
    exchange.pieces_lost = True
    exchange.chunk(b'{"model": "gpt-x"}')
    exchange.end()

    assert trail.only.response_hash is None
    assert trail.only.response_model == "gpt-x"


def test_a_forked_child_does_not_end_its_parents_calls(trail: Any) -> None:
    exchange = capture(recorder=trail.recorder).begin("POST", "api.openai.com", None, b"/v1/x", [], b"{}")
    assert len(trail.started) == 1
    trail.recorder._become_another()  # as after a fork
    exchange.abandon()

    assert trail.completed == []


@pytest.mark.parametrize(("second", "retries"), [("u-1", 1), ("u-2", None)])
def test_a_retry_is_made_for_the_same_user(trail: Any, second: str, retries: int | None) -> None:
    with client(trail, 429, 200) as http:
        for user in ("u-1", second):
            with tokentrail.context(user_id=user):
                http.post(URL, json=ASK)

    first, last = trail.completed
    assert last.retry_count == retries
    assert (first.logical_call_id == last.logical_call_id) == (retries is not None)


async def test_tasks_that_are_begun_after_a_failure_make_calls_of_their_own(trail: Any) -> None:
    left = [500, 200, 200]
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(left.pop(0), json={"model": "gpt-x"}))
    recording = wrap_transport(transport, capture(recorder=trail.recorder))
    async with httpx2.AsyncClient(transport=recording) as http:
        await http.post(URL, json=ASK)
        await asyncio.gather(http.post(URL, json=ASK), http.post(URL, json=ASK))

    assert [call.retry_count for call in trail.completed] == [None, None, None]
    assert len({call.logical_call_id for call in trail.completed}) == 3


async def test_a_retry_in_the_same_task_is_tied(trail: Any) -> None:
    left = [500, 200]
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(left.pop(0), json={"model": "gpt-x"}))
    recording = wrap_transport(transport, capture(recorder=trail.recorder))
    async with httpx2.AsyncClient(transport=recording) as http:
        await http.post(URL, json=ASK)
        await http.post(URL, json=ASK)

    assert [call.retry_count for call in trail.completed] == [None, 1]
    assert len({call.logical_call_id for call in trail.completed}) == 1


def test_a_thread_that_takes_over_a_context_makes_calls_of_its_own(trail: Any) -> None:
    with client(trail, 500, 200) as http, ThreadPoolExecutor(1) as threads:
        http.post(URL, json=ASK)
        threads.submit(copy_context().run, lambda: http.post(URL, json=ASK)).result()

    assert len({call.logical_call_id for call in trail.completed}) == 2


async def test_a_task_that_a_transport_starts_is_recorded_after_the_call(trail: Any) -> None:
    go = asyncio.Event()
    tasks: list[asyncio.Task[bool]] = []

    async def later() -> bool:
        await go.wait()
        return suppressed()

    async def answer(_request: Any) -> httpx2.Response:
        tasks.append(asyncio.create_task(later()))
        return httpx2.Response(200, json={})

    transport = wrap_transport(httpx2.MockTransport(answer), capture(recorder=trail.recorder))
    async with httpx2.AsyncClient(transport=transport) as http:
        await http.post(URL, json=ASK)
    go.set()

    assert not await tasks[0]


def test_a_call_that_is_given_up_in_another_context_raises_nothing(trail: Any) -> None:
    class Waiting(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, _request: httpx2.Request) -> httpx2.Response:
            await pause()
            return httpx2.Response(200)

    transport = wrap_transport(Waiting(), capture(recorder=trail.recorder))
    call = transport.handle_async_request(httpx2.Request("POST", URL, json=ASK))
    copy_context().run(call.send, None)
    copy_context().run(call.close)

    assert trail.only.status == "ABORTED"


def test_of_a_password_nothing_is_shown(trail: Any) -> None:
    with client(trail, 200) as http:
        http.post(URL, json=ASK, auth=("checkout", "correct horse battery"))

    assert (trail.only.auth_method, trail.only.api_key_hint) == ("basic", None)
    assert trail.only.api_key_id


def test_an_encoded_body_that_was_left_early_is_not_taken_for_complete(trail: Any) -> None:
    exchange = capture(recorder=trail.recorder).begin(
        "POST", "api.openai.com", None, b"/v1/chat/completions", [], b"{}"
    )
    exchange.answered(200, [(b"content-encoding", b"gzip"), (b"content-length", b"20")], decoded=True)
    exchange.chunk(b"x" * 100)
    exchange.abandon()

    assert trail.only.status == "ABORTED"


def test_a_label_that_is_no_text_costs_only_itself(trail: Any) -> None:
    with client(trail, 200) as http, tokentrail.context(user_id=Call()):  # type: ignore[arg-type] # what users do
        http.post(URL, json=ASK)

    assert trail.only.status == "SUCCESS"


def test_many_paths_and_keys_of_one_client_are_told_apart_and_not_all_remembered(trail: Any) -> None:
    made = capture(recorder=trail.recorder)
    for number in (*range(600), 0):
        headers = [(b"Authorization", b"Bearer key-number-%d" % number)]
        target = b"/v1/chat/completions/%d" % number
        made.begin("POST", "api.openai.com", None, target, headers, b"{}").end()

    ended = trail.completed
    assert [event.endpoint.rpartition("/")[2] for event in ended] == [str(number) for number in (*range(600), 0)]
    assert len({event.api_key_id for event in ended}) == 600
    assert ended[0].api_key_id == ended[-1].api_key_id
    describer = made._prepare()
    assert len(describer._routes) <= 256
    assert len(describer._callers) <= 256
