"""mistralai: chat, streams, embeddings."""

from types import SimpleNamespace
from typing import Any

from provider_server import ProviderServer, asked
from sdk_cases import Cases, busy_once, held, silent

MADE_UP_KEY = "0123456789abcdefghijklmnopqrstuv"


def open_clients(server: ProviderServer) -> Any:
    """Return the SDK's client, which does both, and retries that do not wait."""
    from mistralai.client import Mistral
    from mistralai.client.utils import BackoffStrategy, RetryConfig

    return SimpleNamespace(
        mistral=Mistral(api_key=MADE_UP_KEY, server_url=server.url_of("mistral_ai")),
        retries=RetryConfig("backoff", BackoffStrategy(1, 2, 1.1, 5_000, jitter_ms=1), retry_connection_errors=True),
    )


CASES = Cases("mistralai", open_clients)


def _streamed() -> dict[str, Any]:
    return asked("mistral-chat-stream")


@CASES("plain", "mistral-chat")
def ask_chat(sdk: Any) -> Any:
    return sdk.mistral.chat.complete(**asked("mistral-chat"))


@CASES("stream", "mistral-chat-stream")
def ask_chat_stream(sdk: Any) -> Any:
    return list(sdk.mistral.chat.stream(**_streamed()))


@CASES("stream", "mistral-chat-stream-thinking")
def ask_chat_stream_thinking(sdk: Any) -> Any:
    return list(sdk.mistral.chat.stream(**asked("mistral-chat-stream-thinking")))


@CASES("async", "mistral-chat")
async def ask_chat_awaited(sdk: Any) -> Any:
    return await sdk.mistral.chat.complete_async(**asked("mistral-chat"))


@CASES("async stream", "mistral-chat-stream")
async def ask_chat_stream_awaited(sdk: Any) -> Any:
    return [event async for event in await sdk.mistral.chat.stream_async(**_streamed())]


@CASES("stream as context manager", "mistral-chat-stream")
def ask_chat_stream_in_with(sdk: Any) -> Any:
    with sdk.mistral.chat.stream(**_streamed()) as stream:
        return list(stream)


@CASES("stream as context manager", "mistral-chat-stream")
async def ask_chat_stream_in_async_with(sdk: Any) -> Any:
    async with await sdk.mistral.chat.stream_async(**_streamed()) as stream:
        return [event async for event in stream]


@CASES("stream left early", held("mistral-chat-stream", 2), ending="left")
def ask_chat_stream_left(sdk: Any) -> Any:
    with sdk.mistral.chat.stream(**_streamed()) as stream:
        return next(stream)


@CASES("stream left early", held("mistral-chat-stream", 2), ending="left")
async def ask_chat_stream_left_awaited(sdk: Any) -> Any:
    async with await sdk.mistral.chat.stream_async(**_streamed()) as stream:
        return await anext(stream)


@CASES("errors", "mistral-chat-refused")
def ask_refused(sdk: Any) -> Any:
    return sdk.mistral.chat.complete(**asked("mistral-chat-refused"))


@CASES("errors", "mistral-chat-refused")
async def ask_refused_awaited(sdk: Any) -> Any:
    return await sdk.mistral.chat.complete_async(**asked("mistral-chat-refused"))


@CASES("retries tied", *busy_once("mistral-chat-rate-limited", "mistral-chat"))
def ask_busy(sdk: Any) -> Any:
    return sdk.mistral.chat.complete(**asked("mistral-chat"), retries=sdk.retries)


@CASES("retries tied", *busy_once("mistral-chat-rate-limited", "mistral-chat"))
async def ask_busy_awaited(sdk: Any) -> Any:
    return await sdk.mistral.chat.complete_async(**asked("mistral-chat"), retries=sdk.retries)


@CASES("timeout", silent("mistral-chat"), ending="timeout")
def ask_too_slow(sdk: Any) -> Any:
    return sdk.mistral.chat.complete(**asked("mistral-chat"), timeout_ms=100)


@CASES("timeout", silent("mistral-chat"), ending="timeout")
async def ask_too_slow_awaited(sdk: Any) -> Any:
    return await sdk.mistral.chat.complete_async(**asked("mistral-chat"), timeout_ms=100)


@CASES("embeddings", "mistral-embeddings")
def ask_embeddings(sdk: Any) -> Any:
    ask = asked("mistral-embeddings")
    return sdk.mistral.embeddings.create(model=ask["model"], inputs=ask["input"])


@CASES("embeddings", "mistral-embeddings")
async def ask_embeddings_awaited(sdk: Any) -> Any:
    ask = asked("mistral-embeddings")
    return await sdk.mistral.embeddings.create_async(model=ask["model"], inputs=ask["input"])
