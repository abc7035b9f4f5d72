"""The official SDK with and without the shim: the same answers, the same errors, and a complete record of each."""

import asyncio
import gc
import socket
from typing import Any

import httpx
import httpx2
import openai
import pytest

import tokentrail
from tokentrail.errors import SettingsError
from tokentrail.producers.recorder import Recorder
from tokentrail.schemas.events import Status, UsageSource

KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCD"
MESSAGES: list[Any] = [{"role": "user", "content": "Say hello."}]
LIBRARIES = {"httpx2": httpx2, "httpx": httpx}


@pytest.fixture(params=["httpx2", "httpx"])
def library(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(provider_url: str, trail: Any, library: str) -> Any:
    http_client = tokentrail.httpx_client(library=library, recorder=trail.recorder, department="sales")
    with openai.OpenAI(base_url=provider_url, api_key=KEY, http_client=http_client) as made:
        yield made


@pytest.fixture
async def async_client(provider_url: str, trail: Any, library: str) -> Any:
    http_client = tokentrail.async_httpx_client(library=library, recorder=trail.recorder, department="sales")
    async with openai.AsyncOpenAI(base_url=provider_url, api_key=KEY, http_client=http_client) as made:
        yield made


@pytest.fixture
def bare(provider_url: str) -> Any:
    with openai.OpenAI(base_url=provider_url, api_key=KEY) as made:
        yield made


def test_plain_call_gives_the_same_answer_and_a_full_record(client: Any, bare: Any, trail: Any) -> None:
    ask = {"model": "gpt-x", "messages": MESSAGES, "temperature": 0.5, "max_tokens": 50}

    with tokentrail.context(user_id="u-1", feature="greeting", session_id="s-1"):
        answer = client.chat.completions.create(**ask)

    assert answer == bare.chat.completions.create(**ask)
    call = trail.only
    assert (call.status, call.http_status_code, call.auth_method, call.auth_result) == (
        "SUCCESS",
        200,
        "bearer",
        "accepted",
    )
    assert (call.user_id, call.feature, call.session_id, call.department) == ("u-1", "greeting", "s-1", "sales")
    assert (call.provider, call.server_address, call.endpoint) == ("127.0.0.1", "127.0.0.1", "/v1/chat/completions")
    assert (call.operation, call.request_model, call.response_model) == ("chat", "gpt-x", "gpt-x-2026-01-01")
    assert (call.temperature, call.max_tokens, call.retry_count, call.http_method) == (0.5, 50, 0, "POST")
    assert (call.finish_reasons, call.provider_request_id, call.service_tier) == (["stop"], "req_42", "default")
    assert call.usage is not None
    assert call.usage_source is UsageSource.PROVIDER
    assert (call.usage.input_tokens, call.usage.output_tokens) == (120, 30)
    assert (call.usage.cache_read_tokens, call.usage.reasoning_tokens) == (64, 10)
    assert call.provider_usage is not None
    assert call.provider_usage["total_tokens"] == 150
    assert call.latency_ms is not None
    assert call.latency_ms > 0
    assert call.time_to_first_token_ms is None
    assert call.request_hash is not None
    assert call.response_hash is not None
    assert call.user_agent is not None
    assert call.user_agent.startswith("OpenAI/Python")


def test_started_leaves_before_the_answer_and_shares_the_call_id(client: Any, trail: Any) -> None:
    client.chat.completions.create(model="gpt-x", messages=MESSAGES)

    (started,), (completed,) = trail.started, trail.completed
    assert started.call_id == completed.call_id
    assert started.occurred_at < completed.occurred_at
    assert started.api_key_id == completed.api_key_id


def test_compressed_answer_is_read_and_passed_on_untouched(client: Any, bare: Any, trail: Any) -> None:
    answer = client.chat.completions.create(model="zipped", messages=MESSAGES)

    assert answer == bare.chat.completions.create(model="zipped", messages=MESSAGES)
    assert trail.only.usage.input_tokens == 120


def test_stream_gives_the_same_chunks_and_its_usage(client: Any, bare: Any, trail: Any) -> None:
    ask = {"model": "gpt-x", "messages": MESSAGES, "stream": True, "stream_options": {"include_usage": True}}

    chunks = list(client.chat.completions.create(**ask))

    assert chunks == list(bare.chat.completions.create(**ask))
    call = trail.only
    assert (call.status, call.stream, call.finish_reasons) == ("SUCCESS", True, ["stop"])
    assert (call.usage.input_tokens, call.usage.output_tokens, call.usage_source) == (120, 30, "provider")
    assert 0 < call.time_to_first_token_ms < call.latency_ms


def test_stream_passes_byte_for_byte(provider_url: str, trail: Any, library: str) -> None:
    ask = {"model": "gpt-x", "messages": MESSAGES, "stream": True}
    pieces: list[list[bytes]] = []
    for make in (lambda: tokentrail.httpx_client(library=library, recorder=trail.recorder), LIBRARIES[library].Client):
        with make() as made, made.stream("POST", f"{provider_url}/chat/completions", json=ask) as response:
            pieces.append([b"".join(response.iter_raw())])

    assert pieces[0] == pieces[1]
    assert trail.only.status == "SUCCESS"


def test_stream_without_usage_is_estimated_and_says_so(client: Any, trail: Any) -> None:
    list(client.chat.completions.create(model="nousage", messages=MESSAGES, stream=True))

    assert trail.only.status == "SUCCESS"
    assert trail.only.usage_source is UsageSource.ESTIMATED
    assert (trail.only.usage.input_tokens, trail.only.usage.output_tokens) == (2, 4)
    assert trail.only.provider_usage is None


def test_stream_used_as_context_manager_and_left_early_is_aborted(client: Any, trail: Any) -> None:
    with client.chat.completions.create(model="gpt-x", messages=MESSAGES, stream=True) as stream:
        next(iter(stream))

    assert trail.only.status == "ABORTED"
    assert trail.only.response_model == "gpt-x-2026-01-01"


def test_stream_closed_early_is_aborted(client: Any, trail: Any) -> None:
    stream = client.chat.completions.create(model="gpt-x", messages=MESSAGES, stream=True)
    next(stream)
    stream.close()

    assert trail.only.status == "ABORTED"


def test_abandoned_stream_is_aborted_when_it_is_collected(client: Any, trail: Any) -> None:
    stream = client.chat.completions.create(model="gpt-x", messages=MESSAGES, stream=True)
    next(stream)
    del stream
    gc.collect()

    assert trail.only.status == "ABORTED"


def test_raw_and_streaming_responses_work_as_ever(client: Any, trail: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt-x", messages=MESSAGES)
    assert raw.parse().choices[0].message.content == "Hello there."
    raw_stream = client.chat.completions.with_raw_response.create(model="gpt-x", messages=MESSAGES, stream=True)
    assert len(list(raw_stream.parse())) == 7
    with client.chat.completions.with_streaming_response.create(model="gpt-x", messages=MESSAGES) as response:
        assert response.headers["x-request-id"] == "req_42"
        assert b"Hello there." in response.read()

    assert [call.status for call in trail.completed] == ["SUCCESS"] * 3


def test_refused_key_is_an_auth_failure_without_the_key(client: Any, trail: Any) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="refused", messages=MESSAGES)

    call = trail.only
    assert (call.status, call.http_status_code, call.auth_result) == ("AUTH_FAILED", 401, "refused")
    assert (call.error_type, call.error_code) == ("invalid_api_key", "invalid_api_key")
    assert call.error_message.startswith("Incorrect API key provided: [key")
    assert "p4ssw0rd" not in call.error_message
    assert call.api_key_hint == "sk-proj-…ABCD"
    for record in trail.records:
        assert KEY.encode() not in record.value


def test_attempts_of_the_sdk_share_a_logical_call(client: Any, trail: Any) -> None:
    client.chat.completions.create(model="busy", messages=MESSAGES)
    client.chat.completions.create(model="busy", messages=MESSAGES)

    first, second, other = trail.completed
    assert [first.status, second.status, other.status] == ["RATE_LIMITED", "SUCCESS", "SUCCESS"]
    assert (first.retry_count, second.retry_count) == (0, 1)
    assert first.logical_call_id == second.logical_call_id != other.logical_call_id
    assert first.call_id != second.call_id
    assert first.request_hash == second.request_hash == other.request_hash


def test_server_error_is_raised_and_recorded(client: Any, trail: Any) -> None:
    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=0).chat.completions.create(model="broken", messages=MESSAGES)

    assert (trail.only.status, trail.only.error_message) == ("SERVER_ERROR", "The server had an error.")


def test_error_inside_a_stream_is_raised_and_recorded(client: Any, trail: Any) -> None:
    with pytest.raises(openai.APIError, match="overloaded"):
        list(client.chat.completions.create(model="failing", messages=MESSAGES, stream=True))

    assert (trail.only.status, trail.only.error_message) == ("SERVER_ERROR", "overloaded")


def test_stream_cut_by_the_server_is_a_connection_error(client: Any, trail: Any) -> None:
    with pytest.raises(Exception, match=r"(?i)peer closed|connection|incomplete"):
        list(client.chat.completions.create(model="cut", messages=MESSAGES, stream=True))

    assert trail.only.status == "CONNECTION_ERROR"


def test_timeout_is_raised_and_recorded(client: Any, trail: Any) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.with_options(max_retries=0, timeout=0.05).chat.completions.create(model="slow", messages=MESSAGES)

    assert (trail.only.status, trail.only.error_type) == ("TIMEOUT", "ReadTimeout")


def test_refused_connection_is_raised_and_recorded(client: Any, trail: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    unreachable = client.with_options(max_retries=0, base_url=f"http://127.0.0.1:{port}/v1")
    with pytest.raises(openai.APIConnectionError):
        unreachable.chat.completions.create(model="gpt-x", messages=MESSAGES)

    assert (trail.only.status, trail.only.error_type) == ("CONNECTION_ERROR", "ConnectError")


async def test_async_plain_and_stream_are_recorded(async_client: Any, trail: Any) -> None:
    answer = await async_client.chat.completions.create(model="gpt-x", messages=MESSAGES)
    assert answer.usage.prompt_tokens == 120
    stream = await async_client.chat.completions.create(
        model="gpt-x", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    assert len([chunk async for chunk in stream]) == 7

    plain, streamed = trail.completed
    assert (plain.status, plain.usage.output_tokens) == ("SUCCESS", 30)
    assert (streamed.status, streamed.usage.output_tokens, streamed.stream) == ("SUCCESS", 30, True)
    assert streamed.time_to_first_token_ms > 0


async def test_async_stream_left_early_is_aborted(async_client: Any, trail: Any) -> None:
    async with await async_client.chat.completions.create(model="gpt-x", messages=MESSAGES, stream=True) as stream:
        await anext(aiter(stream))

    assert trail.only.status == "ABORTED"


async def test_async_errors_are_raised_and_recorded(async_client: Any, trail: Any) -> None:
    with pytest.raises(openai.AuthenticationError):
        await async_client.chat.completions.create(model="refused", messages=MESSAGES)
    with pytest.raises(openai.APITimeoutError):
        await async_client.with_options(max_retries=0, timeout=0.05).chat.completions.create(
            model="slow", messages=MESSAGES
        )
    await async_client.chat.completions.create(model="busy", messages=MESSAGES)

    assert [call.status for call in trail.completed] == ["AUTH_FAILED", "TIMEOUT", "RATE_LIMITED", "SUCCESS"]
    assert trail.completed[2].logical_call_id == trail.completed[3].logical_call_id


async def test_cancellation_is_passed_on_and_recorded(async_client: Any, trail: Any) -> None:
    asking = asyncio.create_task(async_client.chat.completions.create(model="slow", messages=MESSAGES))
    while not trail.records:  # noqa: ASYNC110 - the scribe knows no events of asyncio
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert (trail.only.status, trail.only.error_type) == ("ABORTED", "CancelledError")


async def test_labels_stay_with_their_task(async_client: Any, trail: Any) -> None:
    async def ask(user: str) -> None:
        with tokentrail.context(user_id=user):
            await asyncio.sleep(0)
            await async_client.chat.completions.create(model="gpt-x", messages=MESSAGES, user="ignored")

    await asyncio.gather(*(ask(f"u-{n}") for n in range(8)))

    by_call = {event.call_id: event.user_id for event in trail.started}
    assert sorted(by_call.values()) == [f"u-{n}" for n in range(8)]
    assert all(by_call[call.call_id] == call.user_id for call in trail.completed)


def test_a_shim_that_fails_everywhere_changes_nothing_for_the_caller(
    provider_url: str, bare: Any, library: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    ask: dict[str, Any] = {"model": "gpt-x", "messages": MESSAGES}
    expected = bare.chat.completions.create(**ask)
    fragile = (
        "describing.Describer.describe",
        "answering.AnswerReading.take",
        "answering.AnswerReading.conclude",
        "capture.Capture.begin",
        "capture.Capture.finish",
        "exchange.Exchange.answered",
        "recorder.Recorder.completed",
        "recorder.Recorder.started",
    )
    for name in fragile:
        with monkeypatch.context() as patch:
            patch.setattr(f"tokentrail.producers.{name}", explode)
            http_client: Any = tokentrail.httpx_client(library=library, recorder=Recorder(lambda _: True))
            with openai.OpenAI(base_url=provider_url, api_key=KEY, http_client=http_client) as client:
                assert client.chat.completions.create(**ask) == expected
                assert len(list(client.chat.completions.create(**ask, stream=True))) == 7

    assert KEY not in caplog.text


def test_provider_can_be_named(provider_url: str, trail: Any, library: str) -> None:
    for options in ({"provider": "holysheep"}, {"relays": {"holysheep": provider_url}}):
        http_client = tokentrail.httpx_client(library=library, recorder=trail.recorder, **options)
        with openai.OpenAI(base_url=provider_url, api_key=KEY, http_client=http_client) as client:
            client.chat.completions.create(model="gpt-x", messages=MESSAGES)

    assert {call.provider for call in trail.completed} == {"holysheep"}
    assert {call.status for call in trail.completed} == {Status.SUCCESS}


def test_another_library_is_refused_and_nobody_told_to_install_what_was_misspelt() -> None:
    with pytest.raises(SettingsError, match="library is 'reqests'; it can be httpx2 or httpx"):
        tokentrail.httpx_client(library="reqests")


def test_answers_that_never_touched_the_wire_are_recorded(trail: Any, library: str) -> None:
    module: Any = LIBRARIES[library]
    transport = module.MockTransport(lambda _: module.Response(200, json={"model": "m", "usage": {"prompt_tokens": 3}}))
    http_client = tokentrail.httpx_client(library=library, recorder=trail.recorder, transport=transport)

    assert http_client.post("https://api.openai.com/v1/embeddings?key=AIzaSecretSecret", json={"model": "m"}).is_success

    gc.collect()
    call = trail.only
    assert (call.status, call.provider, call.operation, call.endpoint) == (
        "SUCCESS",
        "openai",
        "embeddings",
        "/v1/embeddings",
    )
    assert (call.usage.input_tokens, call.usage.output_tokens) == (3, None)


@pytest.mark.parametrize(("code", "status"), [(200, "SUCCESS"), (401, "AUTH_FAILED"), (503, "SERVER_ERROR")])
def test_a_body_that_is_no_stream_of_the_library_is_handed_on_untouched_and_the_call_ends(
    trail: Any, library: str, code: int, status: str
) -> None:
    module: Any = LIBRARIES[library]
    pieces = [b"{", b"}"]

    class Transport(module.BaseTransport):  # type: ignore[misc] # one of two libraries
        def handle_request(self, _: object) -> Any:
            response = module.Response(code, headers={"content-type": "application/json"}, stream=iter(()))
            response.stream = pieces
            return response

    http_client: Any = tokentrail.httpx_client(library=library, recorder=trail.recorder, transport=Transport())
    request = module.Request("POST", "https://api.openai.com/v1/chat/completions", json={"model": "m"})

    response = http_client._transport.handle_request(request)  # a client would refuse such a body itself

    assert response.stream is pieces
    assert (trail.only.status, trail.only.http_status_code, trail.only.usage) == (status, code, None)


def test_proxy_settings_of_the_environment_hold(monkeypatch: pytest.MonkeyPatch, trail: Any, library: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    http_client: Any = tokentrail.httpx_client(library=library, recorder=trail.recorder)

    with pytest.raises(LIBRARIES[library].ConnectError):  # the proxy is not there, and nothing goes around it
        http_client.post("https://api.openai.com/v1/chat/completions", json={"model": "m"})

    assert trail.only.status == "CONNECTION_ERROR"
