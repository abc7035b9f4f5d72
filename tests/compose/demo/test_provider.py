from collections.abc import AsyncIterator

import openai
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.compose.demo.provider import build_app, count_tokens, write_prompt


@pytest.fixture
async def provider() -> AsyncIterator[TestClient]:  # type: ignore[type-arg]  # aiohttp's parameters say nothing here
    async with TestClient(TestServer(build_app())) as client:
        yield client


def sdk(provider: TestClient) -> openai.AsyncOpenAI:  # type: ignore[type-arg]
    return openai.AsyncOpenAI(api_key="sk-demo-x", base_url=str(provider.make_url("/v1")), max_retries=0)


@given(st.integers(0, 20_000))
def test_a_prompt_counts_as_what_it_was_written_for(tokens: int) -> None:
    assert count_tokens(write_prompt(tokens)) == tokens

    assert tokens < 3 or write_prompt(tokens, 7) != write_prompt(tokens, 8)


async def test_a_plain_completion_has_exactly_the_usage_asked_for(provider: TestClient) -> None:  # type: ignore[type-arg]
    answer = await sdk(provider).chat.completions.create(
        model="gpt-4.1", messages=[{"role": "user", "content": write_prompt(321)}], max_completion_tokens=77
    )
    assert answer.usage
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (321, 77)
    assert answer.model == "gpt-4.1"
    assert len((answer.choices[0].message.content or "").split()) == 77


async def test_a_stream_ends_with_its_usage(provider: TestClient) -> None:  # type: ignore[type-arg]
    stream = await sdk(provider).chat.completions.create(
        model="gpt-4.1",
        messages=[{"role": "user", "content": "hello"}],
        max_completion_tokens=60,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 60
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert len(text.split()) == 60


async def test_a_fault_breaks_one_model_until_it_is_cleared(provider: TestClient) -> None:  # type: ignore[type-arg]
    async def ask(model: str) -> None:
        await sdk(provider).chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}])

    assert (await provider.put("/faults/broken", data=b'{"status": 503}')).status == 204
    with pytest.raises(openai.InternalServerError, match="overloaded"):
        await ask("broken")
    await ask("sound")
    assert (await provider.delete("/faults/broken")).status == 204
    await ask("broken")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"model": "m", "messages": []}', b"\xff\xfe", b'{"status": 200}'])
async def test_what_is_no_request_is_refused_in_the_providers_own_way(
    provider: TestClient,  # type: ignore[type-arg]
    body: bytes,
) -> None:
    headers = {"Authorization": "Bearer sk-x"}
    for method, path in (("POST", "/v1/chat/completions"), ("PUT", "/faults/m")):
        answer = await provider.request(method, path, data=body, headers=headers)
        assert answer.status == 400
        assert "message" in (await answer.json())["error"]


async def test_a_call_without_a_key_is_refused(provider: TestClient) -> None:  # type: ignore[type-arg]
    assert (await provider.post("/v1/chat/completions", data=b"{}")).status == 401
