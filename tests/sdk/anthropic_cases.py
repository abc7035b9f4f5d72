"""anthropic: messages, streams, cached prompts."""

from types import SimpleNamespace
from typing import Any

from provider_server import ProviderServer, asked
from sdk_cases import Cases, busy_once, held, silent, texts

MADE_UP_KEY = "sk-ant-api03-0123456789abcdefghijklmnopqrstuvwxyz-ABCD"


def open_clients(server: ProviderServer) -> Any:
    """Return the SDK's clients."""
    import anthropic

    url = server.url_of("anthropic")
    return SimpleNamespace(
        plain=anthropic.Anthropic(base_url=url, api_key=MADE_UP_KEY),
        awaited=anthropic.AsyncAnthropic(base_url=url, api_key=MADE_UP_KEY),
    )


CASES = Cases("anthropic", open_clients)


def _asked(exchange: str) -> dict[str, Any]:
    """Return what was asked; the current SDK has no parameter for the temperature any more, and the wire has."""
    ask = asked(exchange)
    if "temperature" in ask:
        ask["extra_body"] = {"temperature": ask.pop("temperature")}
    return ask


def _streamed(exchange: str = "anthropic-chat-stream") -> dict[str, Any]:
    ask = _asked(exchange)
    del ask["stream"]  # `messages.stream()` says it itself
    return ask


@CASES("plain", "anthropic-chat")
def ask_messages(sdk: Any) -> Any:
    return sdk.plain.messages.create(**_asked("anthropic-chat"))


@CASES("plain", "anthropic-chat-compacted")
def ask_messages_compacted(sdk: Any) -> Any:
    return sdk.plain.messages.create(**_asked("anthropic-chat-compacted"))


@CASES("stream", "anthropic-chat-stream")
def ask_messages_stream(sdk: Any) -> Any:
    return list(sdk.plain.messages.create(**_asked("anthropic-chat-stream")))


@CASES("stream", "anthropic-chat-stream-cumulative")
def ask_messages_stream_cumulative(sdk: Any) -> Any:
    return list(sdk.plain.messages.create(**_asked("anthropic-chat-stream-cumulative")))


@CASES("async", "anthropic-chat")
async def ask_messages_awaited(sdk: Any) -> Any:
    return await sdk.awaited.messages.create(**_asked("anthropic-chat"))


@CASES("async stream", "anthropic-chat-stream")
async def ask_messages_stream_awaited(sdk: Any) -> Any:
    return [event async for event in await sdk.awaited.messages.create(**_asked("anthropic-chat-stream"))]


@CASES("stream as context manager", "anthropic-chat-stream")
def ask_stream_helper(sdk: Any) -> Any:
    with sdk.plain.messages.stream(**_streamed()) as stream:
        return [list(stream.text_stream), stream.get_final_message()]


@CASES("stream as context manager", "anthropic-chat-stream-tools")
def ask_stream_helper_events(sdk: Any) -> Any:
    with sdk.plain.messages.stream(**_streamed("anthropic-chat-stream-tools")) as stream:
        return [list(stream), stream.get_final_message()]


@CASES("stream as context manager", "anthropic-chat-stream")
async def ask_stream_helper_awaited(sdk: Any) -> Any:
    async with sdk.awaited.messages.stream(**_streamed()) as stream:
        return [[text async for text in stream.text_stream], await stream.get_final_message()]


@CASES("stream left early", held("anthropic-chat-stream"), ending="left")
def ask_stream_left(sdk: Any) -> Any:
    with sdk.plain.messages.stream(**_streamed()) as stream:
        return next(iter(stream))


@CASES("stream left early", held("anthropic-chat-stream"), ending="left")
def ask_stream_dropped(sdk: Any) -> Any:
    return next(iter(sdk.plain.messages.create(**_asked("anthropic-chat-stream"))))


@CASES("stream left early", held("anthropic-chat-stream"), ending="left")
async def ask_stream_left_awaited(sdk: Any) -> Any:
    async with sdk.awaited.messages.stream(**_streamed()) as stream:
        return await anext(aiter(stream))


@CASES("raw answer", "anthropic-chat")
def ask_raw(sdk: Any) -> Any:
    raw = sdk.plain.messages.with_raw_response.create(**_asked("anthropic-chat"))
    return [dict(raw.headers), raw.parse(), raw.read()]


@CASES("raw stream", "anthropic-chat-stream")
def ask_raw_stream(sdk: Any) -> Any:
    with sdk.plain.messages.with_streaming_response.create(**_asked("anthropic-chat-stream")) as answer:
        return texts(answer.iter_bytes())


@CASES("raw stream", "anthropic-chat-stream")
async def ask_raw_stream_awaited(sdk: Any) -> Any:
    async with sdk.awaited.messages.with_streaming_response.create(**_asked("anthropic-chat-stream")) as answer:
        return texts([piece async for piece in answer.iter_bytes()])


@CASES("errors", "anthropic-chat-refused")
def ask_refused(sdk: Any) -> Any:
    return sdk.plain.messages.create(**_asked("anthropic-chat-refused"))


@CASES("errors", "anthropic-chat-stream-failing")
def ask_failing_stream(sdk: Any) -> Any:
    return list(sdk.plain.messages.create(**_asked("anthropic-chat-stream-failing")))


@CASES("errors", "anthropic-chat-stream-failing")
async def ask_failing_stream_awaited(sdk: Any) -> Any:
    return [event async for event in await sdk.awaited.messages.create(**_asked("anthropic-chat-stream-failing"))]


@CASES("retries tied", *busy_once("anthropic-chat-rate-limited", "anthropic-chat"))
def ask_busy(sdk: Any) -> Any:
    return sdk.plain.messages.create(**_asked("anthropic-chat"))


@CASES("retries tied", *busy_once("anthropic-chat-rate-limited", "anthropic-chat"))
async def ask_busy_awaited(sdk: Any) -> Any:
    return await sdk.awaited.messages.create(**_asked("anthropic-chat"))


@CASES("timeout", silent("anthropic-chat"), ending="timeout")
def ask_too_slow(sdk: Any) -> Any:
    return sdk.plain.with_options(timeout=0.1, max_retries=0).messages.create(**_asked("anthropic-chat"))


@CASES("timeout", silent("anthropic-chat"), ending="timeout")
async def ask_too_slow_awaited(sdk: Any) -> Any:
    return await sdk.awaited.with_options(timeout=0.1, max_retries=0).messages.create(**_asked("anthropic-chat"))


@CASES("token counts", "anthropic-count_tokens")
def ask_count_tokens(sdk: Any) -> Any:
    return sdk.plain.messages.count_tokens(**asked("anthropic-count_tokens"))
