"""`tokentrail.install()`: every HTTP library, the same answers, one record a call, and nothing else touched."""

import asyncio
import gc
import gzip
import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3

import tokentrail
from tokentrail.producers import trail as process
from tokentrail.settings import Settings

KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCD"
HEADERS = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
Ask = Callable[[str, dict[str, Any]], Any]


@pytest.fixture
def installed(provider_url: str, trail: Any) -> Iterator[str]:
    tokentrail.install(recorder=trail.recorder, relays={"openai": provider_url}, department="sales")
    yield f"{provider_url}/chat/completions"
    tokentrail.uninstall()


def body_of(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Say hello."}], **fields}


def by_httpx(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    with httpx.Client() as client:
        answer = client.post(url, json=body, headers=HEADERS)
        return answer.status_code, answer.content


def by_httpx2(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    with httpx2.Client() as client:
        answer = client.post(url, json=body, headers=HEADERS)
        return answer.status_code, answer.content


def by_async_httpx2(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    async def ask() -> tuple[int, bytes]:
        async with httpx2.AsyncClient() as client:
            answer = await client.post(url, json=body, headers=HEADERS)
            return answer.status_code, answer.content

    return asyncio.run(ask())


def by_requests(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    answer = requests.post(url, json=body, headers=HEADERS, timeout=5)
    return answer.status_code, answer.content


def by_requests_stream(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    with requests.post(url, json=body, headers=HEADERS, timeout=5, stream=True) as answer:
        return answer.status_code, b"".join(answer.iter_content(7))


def by_urllib3(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    answer = urllib3.PoolManager().request("POST", url, body=json.dumps(body), headers=HEADERS)
    return answer.status, answer.data


def by_urllib3_unread(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    pool = urllib3.PoolManager()
    answer = pool.request("POST", url, body=json.dumps(body), headers=HEADERS, preload_content=False)
    read = b""
    while piece := answer.read(11, decode_content=True):
        read += piece
    answer.release_conn()
    return answer.status, read


def by_aiohttp(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    async def ask() -> tuple[int, bytes]:
        async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=HEADERS) as answer:
            return answer.status, await answer.read()

    return asyncio.run(ask())


def by_aiohttp_pieces(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    async def ask() -> tuple[int, bytes]:
        async with (
            aiohttp.ClientSession(headers=HEADERS) as session,
            session.post(url, data=json.dumps(body).encode()) as answer,
        ):
            return answer.status, b"".join([piece async for piece in answer.content.iter_any()])

    return asyncio.run(ask())


WAYS = [
    by_httpx, by_httpx2, by_async_httpx2, by_requests, by_requests_stream, by_urllib3, by_urllib3_unread, by_aiohttp,
    by_aiohttp_pieces,
]  # fmt: skip
ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.removeprefix("by_"))


@ways
@pytest.mark.parametrize("model", ["gpt-x", "zipped"])
def test_an_answer_is_the_same_and_recorded_once(installed: str, trail: Any, way: Ask, model: str) -> None:
    recorded = way(installed, body_of(model))
    call = trail.only
    tokentrail.uninstall()

    assert recorded == way(installed, body_of(model))
    assert trail.only == call
    assert (call.status, call.http_status_code, call.provider, call.operation) == ("SUCCESS", 200, "openai", "chat")
    assert (call.request_model, call.response_model, call.department) == (model, f"{model}-2026-01-01", "sales")
    assert (call.usage.input_tokens, call.usage.output_tokens, call.usage_source) == (120, 30, "provider")
    assert (call.api_key_hint, call.auth_method, call.provider_request_id) == ("sk-proj-…ABCD", "bearer", "req_42")
    assert call.endpoint == "/v1/chat/completions"
    assert call.request_hash
    assert call.response_hash
    assert call.latency_ms > 0


@ways
def test_a_stream_is_the_same_and_read_while_it_passes(installed: str, trail: Any, way: Ask) -> None:
    ask = body_of("gpt-x", stream=True, stream_options={"include_usage": True})
    recorded = way(installed, ask)
    call = trail.only
    tokentrail.uninstall()

    assert recorded == way(installed, ask)
    assert (call.status, call.stream, call.finish_reasons) == ("SUCCESS", True, ["stop"])
    assert (call.usage.input_tokens, call.usage.output_tokens) == (120, 30)
    assert 0 < call.time_to_first_token_ms <= call.latency_ms


@ways
def test_a_refusal_is_recorded_without_the_key(installed: str, trail: Any, way: Ask) -> None:
    assert way(installed, body_of("refused"))[0] == 401

    call = trail.only
    assert (call.status, call.auth_result, call.error_code) == ("AUTH_FAILED", "refused", "invalid_api_key")
    assert all(KEY.encode() not in record.value for record in trail.records)


@ways
def test_hosts_that_are_no_provider_are_not_touched(provider_url: str, trail: Any, way: Ask) -> None:
    tokentrail.install(recorder=trail.recorder)
    try:
        assert way(f"{provider_url}/chat/completions", body_of("gpt-x"))[0] == 200
    finally:
        tokentrail.uninstall()

    assert trail.events == []


@pytest.mark.parametrize(
    ("way", "error"),
    [
        (by_httpx2, httpx2.ConnectError),
        (by_requests, requests.exceptions.ConnectionError),
        (by_urllib3, urllib3.exceptions.MaxRetryError),
        (by_aiohttp, aiohttp.ClientConnectorError),
    ],
)
def test_a_connection_that_fails_is_raised_and_recorded(trail: Any, way: Ask, error: type[Exception]) -> None:
    tokentrail.install(recorder=trail.recorder, relays={"mine": "http://127.0.0.1:1"})
    try:
        with pytest.raises(error):
            way("http://127.0.0.1:1/v1/chat/completions", body_of("gpt-x"))
    finally:
        tokentrail.uninstall()

    assert (trail.only.status, trail.only.provider) == ("CONNECTION_ERROR", "mine")


def test_timeouts_are_told_from_connection_errors(installed: str, trail: Any) -> None:
    with pytest.raises(requests.exceptions.Timeout):
        requests.post(installed, json=body_of("slow"), headers=HEADERS, timeout=0.05)

    async def ask() -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.05)) as session:
            await session.post(installed, json=body_of("slow"))

    with pytest.raises(TimeoutError):
        asyncio.run(ask())

    assert [call.status for call in trail.completed] == ["TIMEOUT", "TIMEOUT"]


def test_streams_left_early_are_aborted(installed: str, trail: Any) -> None:
    ask = body_of("gpt-x", stream=True)
    with requests.post(installed, json=ask, headers=HEADERS, timeout=5, stream=True) as answer:
        next(answer.iter_content(10))
    unread = requests.post(installed, json=ask, headers=HEADERS, timeout=5, stream=True)
    next(unread.iter_content(10))
    del unread, answer
    gc.collect()

    async def ask_aiohttp() -> None:
        async with aiohttp.ClientSession() as session, session.post(installed, json=ask) as answer:
            await answer.content.readany()

    asyncio.run(ask_aiohttp())

    assert [call.status for call in trail.completed] == ["ABORTED"] * 3


def test_an_answer_of_urllib3_that_is_dropped_ends_at_once(installed: str, trail: Any) -> None:
    ask = json.dumps(body_of("gpt-x", stream=True))
    pool = urllib3.PoolManager()
    gc.disable()
    try:
        unread = pool.request("POST", installed, body=ask, headers=HEADERS, preload_content=False)
        assert isinstance(unread, urllib3.HTTPResponse)
        unread.read(10)
        del unread
        assert trail.only.status == "ABORTED"
    finally:
        gc.enable()


@pytest.mark.parametrize("on_request", [True, False])
def test_aiohttp_may_leave_an_answer_encoded(installed: str, trail: Any, on_request: bool) -> None:  # noqa: FBT001 - as parametrized
    async def ask() -> bytes:
        own: dict[str, Any] = {} if on_request else {"auto_decompress": False}
        asked: dict[str, Any] = {"auto_decompress": False} if on_request else {}
        async with (
            aiohttp.ClientSession(**own) as session,
            session.post(installed, json=body_of("zipped"), headers=HEADERS, **asked) as answer,
        ):
            return await answer.read()

    assert json.loads(gzip.decompress(asyncio.run(ask())))["model"] == "zipped-2026-01-01"
    assert (trail.only.response_model, trail.only.usage.input_tokens) == ("zipped-2026-01-01", 120)


def test_a_refusal_that_aiohttp_raises_has_its_status(installed: str, trail: Any) -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            await session.post(installed, json=body_of("busy"), headers=HEADERS)

    with pytest.raises(aiohttp.ClientResponseError):
        asyncio.run(ask())

    assert (trail.only.status, trail.only.http_status_code) == ("RATE_LIMITED", 429)
    assert (trail.only.provider_request_id, trail.only.error_type) == ("req_42", "ClientResponseError")


def test_aiohttp_encodes_once_what_is_sent_and_recorded(installed: str, trail: Any) -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    encoded: list[str] = []

    def encode(body: Any) -> str:
        encoded.append(json.dumps(body, default=str, indent=3))
        return encoded[-1]

    async def ask() -> None:
        async with aiohttp.ClientSession(json_serialize=encode) as session:
            async with session.post(installed, json=body_of("gpt-x", odd=Odd()), headers=HEADERS) as answer:
                await answer.read()
            async with session.post(installed, data=encoded[0], headers=HEADERS) as answer:
                await answer.read()

    asyncio.run(ask())
    assert len(encoded) == 1
    by_name, as_text = trail.completed
    assert by_name.request_model == "gpt-x"
    assert by_name.request_hash == as_text.request_hash


def test_what_aiohttp_cannot_encode_is_its_own_error(installed: str, trail: Any) -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            await session.post(installed, json=body_of("gpt-x", odd=object()), headers=HEADERS)

    with pytest.raises(TypeError, match="not JSON serializable"):
        asyncio.run(ask())
    assert trail.only.status == "CLIENT_ERROR"


def test_a_call_by_way_of_a_plain_proxy_is_the_providers(provider_url: str, trail: Any) -> None:
    tokentrail.install(recorder=trail.recorder)
    url = "http://api.openai.com/v1/chat/completions?key=1"
    try:
        answer = requests.post(
            url, json=body_of("gpt-x"), headers=HEADERS, timeout=5, proxies={"http": provider_url.removesuffix("/v1")}
        )
    finally:
        tokentrail.uninstall()

    assert answer.status_code == 200
    assert (trail.only.provider, trail.only.server_address) == ("openai", "api.openai.com")
    assert trail.only.endpoint == "/v1/chat/completions"


def test_urllib3_read_to_the_end_by_a_negative_amount_is_complete(installed: str, trail: Any) -> None:
    ask = json.dumps(body_of("gpt-x", stream=True))
    answer = urllib3.PoolManager().request("POST", installed, body=ask, headers=HEADERS, preload_content=False)
    answer.read(-1)

    assert trail.only.status == "SUCCESS"


def test_a_client_that_records_already_is_recorded_once(installed: str, trail: Any) -> None:
    with tokentrail.httpx_client(recorder=trail.recorder, feature="explicit") as client:
        client.post(installed, json=body_of("gpt-x"))

    assert trail.only.feature == "explicit"


def test_context_labels_what_every_library_sends(installed: str, trail: Any) -> None:
    for way in WAYS:
        with tokentrail.context(user_id=way.__name__):
            way(installed, body_of("gpt-x"))

    assert [call.user_id for call in trail.completed] == [way.__name__ for way in WAYS]


def test_installing_twice_replaces_the_options_and_records_once(installed: str, provider_url: str, trail: Any) -> None:
    tokentrail.install(recorder=trail.recorder, relays={"holysheep": provider_url})
    by_requests(installed, body_of("gpt-x"))

    assert trail.only.provider == "holysheep"
    assert trail.only.department is None


def test_installing_again_with_fewer_libraries_records_those_alone(installed: str, trail: Any) -> None:
    tokentrail.install(recorder=trail.recorder, relays={"openai": installed}, libraries=("aiohttp",))
    for way in WAYS:
        way(installed, body_of("gpt-x"))

    assert len(trail.completed) == len([by_aiohttp, by_aiohttp_pieces])


def test_an_install_that_is_refused_leaves_the_name_as_it_was(trail: Any) -> None:
    before = list(process._names)
    try:
        tokentrail.install("first", recorder=trail.recorder)
        with pytest.raises(tokentrail.TokentrailError):
            tokentrail.install("second", relays={"mine": ""})
        assert process._names[0] == "first"
    finally:
        tokentrail.uninstall()
        process._names[:] = before


def test_uninstalling_puts_the_methods_back(trail: Any) -> None:
    before = [httpx.HTTPTransport.handle_request, urllib3.HTTPConnectionPool.urlopen, aiohttp.ClientSession._request]
    tokentrail.install(recorder=trail.recorder)
    during = [httpx.HTTPTransport.handle_request, urllib3.HTTPConnectionPool.urlopen, aiohttp.ClientSession._request]
    tokentrail.uninstall()

    after = [httpx.HTTPTransport.handle_request, urllib3.HTTPConnectionPool.urlopen, aiohttp.ClientSession._request]
    assert before == after
    assert not set(before) & set(during)


def test_a_relay_without_a_host_is_refused() -> None:
    with pytest.raises(tokentrail.TokentrailError, match="'mine'"):
        tokentrail.install(relays={"mine": "https:///v1"})


def test_content_is_kept_only_where_it_is_asked_for_and_redacted(provider_url: str, trail: Any) -> None:
    install: Any = importlib.import_module("tokentrail.producers.shims.install").install
    url = f"{provider_url}/chat/completions"
    ask = body_of("gpt-x")
    ask["messages"][0]["content"] = "Write to jane.doe@example.com about card 4111 1111 1111 1111. " + "x" * 300
    try:
        for content in ("off", "preview", "full"):
            install(recorder=trail.recorder, relays={"openai": provider_url}, content=content)
            by_requests(url, ask)
    finally:
        tokentrail.uninstall()

    off, preview, full = trail.completed
    assert (off.prompt_preview, off.response_preview, off.redactions) == (None, None, None)
    assert preview.prompt_preview.startswith("Write to [email] about card [card]. xxx")
    assert (len(preview.prompt_preview), preview.response_preview) == (200, "Hello there.")
    assert preview.redactions == {"email": 1, "card": 1}
    assert full.prompt_preview.endswith("x" * 300)


def test_relays_of_the_settings_are_recorded_too(
    provider_url: str, trail: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(relays={"holysheep": provider_url})
    monkeypatch.setattr("tokentrail.producers.captures.current_settings", lambda: settings)
    tokentrail.install(recorder=trail.recorder)
    try:
        by_requests(f"{provider_url}/chat/completions", body_of("gpt-x"))
    finally:
        tokentrail.uninstall()

    assert trail.only.provider == "holysheep"


@pytest.mark.parametrize("options", [{"libraries": ["nope"]}, {"relays": {"mine": "not a url"}}])
def test_what_cannot_be_meant_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(tokentrail.TokentrailError, match=r"nope|mine"):
        tokentrail.install(**options)


def test_a_pattern_of_ones_own_that_cannot_be_used_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(redact={"ticket": "(?=a)"})
    for module in ("captures", "trail"):
        monkeypatch.setattr(f"tokentrail.producers.{module}.current_settings", lambda: settings)
    monkeypatch.setattr("tokentrail.producers.trail._redactors", [])

    with pytest.raises(tokentrail.TokentrailError, match="ticket"):
        tokentrail.install()
