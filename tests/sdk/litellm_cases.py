"""litellm: completions of every provider above, some through their SDKs, some through HTTP clients of its own."""

import os
from functools import partial
from types import SimpleNamespace
from typing import Any

from provider_server import Answer, ProviderServer, asked
from sdk_cases import Cases, busy_once, held, silent

KEYS = {
    "openai": "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCD",
    "anthropic": "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz-ABCD",
    "gcp.gemini": "AIzaSyMadeUpMadeUpMadeUpMadeUpMadeUpMad",
    "mistral_ai": "0123456789abcdefghijklmnopqrstuv",
}


def open_clients(server: ProviderServer) -> Any:
    """Return its functions, and what tells each provider."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it fetches its prices from the network
    import litellm

    litellm.suppress_debug_info = True
    told: dict[str, dict[str, Any]] = {
        name: {"api_key": key, "api_base": server.url_of(name) + path}
        for (name, key), path in zip(KEYS.items(), ("/v1", "", "/v1beta", "/v1"), strict=True)
    }
    told["aws.bedrock"] = {
        "aws_bedrock_runtime_endpoint": server.url_of("aws.bedrock"),
        "aws_region_name": "us-east-1",
        "aws_access_key_id": "AKIAMADEUPMADEUPMADE",
        "aws_secret_access_key": "made up",
    }
    return SimpleNamespace(ask=litellm.completion, aask=litellm.acompletion, embed=litellm.embedding, told=told)


CASES = Cases(
    "litellm", open_clients, made_up=r'chatcmpl-[0-9a-f]{8}-[0-9a-f-]{27}|(?<="created": )\d+|(?<=time taken=)[\d.]+'
)
QUESTION = [
    {"role": "system", "content": "Answer in one sentence."}, {"role": "user", "content": "Why is the sky blue?"},
]  # fmt: skip
MODELS = {
    "openai": "openai/gpt-5",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gcp.gemini": "gemini/gemini-2.5-flash",
    "mistral_ai": "mistral/mistral-large-latest",
    "aws.bedrock": "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
}


def _asking(sdk: Any, provider: str, **options: Any) -> dict[str, Any]:
    return {"model": MODELS[provider], "messages": QUESTION, "num_retries": 0, **sdk.told[provider], **options}


def ask_plain(sdk: Any, provider: str) -> Any:
    return sdk.ask(**_asking(sdk, provider))


def ask_stream(sdk: Any, provider: str) -> Any:
    return list(sdk.ask(**_asking(sdk, provider, stream=True, stream_options={"include_usage": True})))


async def ask_awaited(sdk: Any, provider: str) -> Any:
    return await sdk.aask(**_asking(sdk, provider))


async def ask_stream_awaited(sdk: Any, provider: str) -> Any:
    stream = await sdk.aask(**_asking(sdk, provider, stream=True, stream_options={"include_usage": True}))
    return [chunk async for chunk in stream]


def ask_stream_left(sdk: Any, provider: str) -> Any:
    return next(iter(sdk.ask(**_asking(sdk, provider, stream=True))))


async def ask_stream_left_awaited(sdk: Any, provider: str) -> Any:
    return await anext(aiter(await sdk.aask(**_asking(sdk, provider, stream=True))))


def ask_too_slow(sdk: Any, provider: str) -> Any:
    return sdk.ask(**_asking(sdk, provider, timeout=0.2))


async def ask_too_slow_awaited(sdk: Any, provider: str) -> Any:
    return await sdk.aask(**_asking(sdk, provider, timeout=0.2))


def ask_busy(sdk: Any, provider: str) -> Any:
    return sdk.ask(**_asking(sdk, provider, num_retries=1))


async def ask_busy_awaited(sdk: Any, provider: str) -> Any:
    return await sdk.aask(**_asking(sdk, provider, num_retries=1))


_EXCHANGES = {
    "openai": "openai-chat",
    "anthropic": "anthropic-chat",
    "gcp.gemini": "gemini-generate_content",
    "mistral_ai": "mistral-chat",
    "aws.bedrock": "bedrock-converse",
}
# It asks Claude for as many tokens as its own list of models allows.
_ASKED_OTHERWISE = {"temperature": None, "max_tokens": ..., "user_id": None}


def _enter(provider: str, exchange: str) -> None:
    """Enter the cases of one provider; the fields that its exchange was asked with and litellm is not are absent."""
    streamed = f"{exchange}-stream"
    left = held(streamed, 5 if provider == "anthropic" else 3)
    refused = Answer(f"{exchange}-refused", asked_as=exchange)
    several = (
        (ask_plain, "plain", (exchange,), "answered"),
        (ask_stream, "stream", (streamed,), "dropped"),
        (ask_awaited, "async", (exchange,), "answered"),
        (ask_stream_awaited, "async stream", (streamed,), "dropped"),
        (ask_stream_left, "stream left early", (left,), "left"),
        (ask_stream_left_awaited, "stream left early", (left,), "left"),
        (ask_plain, "errors", (refused,), "answered"),
        (ask_awaited, "errors", (refused,), "answered"),
        (ask_too_slow, "timeout", (silent(exchange),), "timeout"),
        (ask_too_slow_awaited, "timeout", (silent(exchange),), "timeout"),
        (ask_busy, "retries tied", busy_once(f"{exchange}-rate-limited", exchange), "answered"),
        (ask_busy_awaited, "retries tied", busy_once(f"{exchange}-rate-limited", exchange), "answered"),
    )
    for ask, feature, answers, ending in several:
        bound: Any = partial(ask, provider=provider)
        bound.__name__ = f"{provider}_{feature}_{ask.__name__.removeprefix('ask_')}".replace(" ", "_")
        CASES(feature, *answers, ending=ending, **_ASKED_OTHERWISE)(bound)  # type: ignore[arg-type] # one of Ending


for _provider, _exchange in _EXCHANGES.items():
    _enter(_provider, _exchange)


@CASES("embeddings", "openai-embeddings", user_id=None)
def ask_embeddings(sdk: Any) -> Any:
    ask = asked("openai-embeddings")
    return sdk.embed(model="openai/text-embedding-3-small", input=ask["input"], **sdk.told["openai"])
