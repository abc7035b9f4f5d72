"""openai: chat, responses, embeddings, images, audio, and Azure's client."""

from types import SimpleNamespace
from typing import Any

from provider_server import ProviderServer, asked
from sdk_cases import Cases, busy_once, held, silent, texts

MADE_UP_KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCD"
_SPEECH = ("speech.mp3", b"ID3\x04 not really audio", "audio/mpeg")


def open_clients(server: ProviderServer) -> Any:
    """Return the SDK's clients."""
    import openai

    url = f"{server.url_of('openai')}/v1"
    azure: dict[str, Any] = {
        "azure_endpoint": server.url_of("azure.ai.openai"),
        "api_version": "2025-04-01-preview",
        "api_key": "0123456789abcdef0123456789abcdef",
    }
    return SimpleNamespace(
        plain=openai.OpenAI(base_url=url, api_key=MADE_UP_KEY),
        awaited=openai.AsyncOpenAI(base_url=url, api_key=MADE_UP_KEY),
        azure=openai.AzureOpenAI(**azure),
        azure_awaited=openai.AsyncAzureOpenAI(**azure),
    )


CASES = Cases("openai", open_clients)


@CASES("plain", "openai-chat")
def ask_chat(sdk: Any) -> Any:
    return sdk.plain.chat.completions.create(**asked("openai-chat"))


@CASES("stream", "openai-chat-stream")
def ask_chat_stream(sdk: Any) -> Any:
    return list(sdk.plain.chat.completions.create(**asked("openai-chat-stream")))


@CASES("stream without usage", "openai-chat-stream-without-usage")
def ask_chat_stream_without_usage(sdk: Any) -> Any:
    return list(sdk.plain.chat.completions.create(**asked("openai-chat-stream-without-usage")))


@CASES("async", "openai-chat")
async def ask_chat_awaited(sdk: Any) -> Any:
    return await sdk.awaited.chat.completions.create(**asked("openai-chat"))


@CASES("async stream", "openai-chat-stream")
async def ask_chat_stream_awaited(sdk: Any) -> Any:
    return [chunk async for chunk in await sdk.awaited.chat.completions.create(**asked("openai-chat-stream"))]


@CASES("stream as context manager", "openai-chat-stream")
def ask_chat_stream_in_with(sdk: Any) -> Any:
    with sdk.plain.chat.completions.create(**asked("openai-chat-stream")) as stream:
        return list(stream)


@CASES("stream as context manager", "openai-chat-stream")
def ask_chat_stream_helper(sdk: Any) -> Any:
    ask = asked("openai-chat-stream")
    del ask["stream"]
    with sdk.plain.chat.completions.stream(**ask) as stream:
        return [[event.type for event in stream], stream.get_final_completion()]


@CASES("stream as context manager", "openai-chat-stream")
async def ask_chat_stream_in_async_with(sdk: Any) -> Any:
    async with await sdk.awaited.chat.completions.create(**asked("openai-chat-stream")) as stream:
        return [chunk async for chunk in stream]


@CASES("stream left early", held("openai-chat-stream"), ending="left")
def ask_chat_stream_left(sdk: Any) -> Any:
    with sdk.plain.chat.completions.create(**asked("openai-chat-stream")) as stream:
        return next(stream)


@CASES("stream left early", held("openai-chat-stream"), ending="left")
def ask_chat_stream_dropped(sdk: Any) -> Any:
    return next(sdk.plain.chat.completions.create(**asked("openai-chat-stream")))


@CASES("stream left early", held("openai-chat-stream"), ending="left")
async def ask_chat_stream_left_awaited(sdk: Any) -> Any:
    async with await sdk.awaited.chat.completions.create(**asked("openai-chat-stream")) as stream:
        return await anext(stream)


@CASES("raw answer", "openai-chat")
def ask_raw(sdk: Any) -> Any:
    raw = sdk.plain.chat.completions.with_raw_response.create(**asked("openai-chat"))
    return [dict(raw.headers), raw.parse(), raw.content]


@CASES("raw answer", "openai-chat")
def ask_streaming_answer(sdk: Any) -> Any:
    with sdk.plain.chat.completions.with_streaming_response.create(**asked("openai-chat")) as answer:
        return [dict(answer.headers), answer.read()]


@CASES("raw stream", "openai-chat-stream")
def ask_raw_stream(sdk: Any) -> Any:
    with sdk.plain.chat.completions.with_streaming_response.create(**asked("openai-chat-stream")) as answer:
        return texts(answer.iter_bytes())


@CASES("raw stream", "openai-chat-stream")
async def ask_raw_stream_awaited(sdk: Any) -> Any:
    async with sdk.awaited.chat.completions.with_streaming_response.create(**asked("openai-chat-stream")) as answer:
        return texts([piece async for piece in answer.iter_bytes()])


@CASES("errors", "openai-chat-refused")
def ask_refused(sdk: Any) -> Any:
    return sdk.plain.chat.completions.create(**asked("openai-chat-refused"))


@CASES("errors", "openai-chat-refused")
async def ask_refused_awaited(sdk: Any) -> Any:
    return await sdk.awaited.chat.completions.create(**asked("openai-chat-refused"))


@CASES("errors", "openai-chat-stream-failing")
def ask_failing_stream(sdk: Any) -> Any:
    return list(sdk.plain.chat.completions.create(**asked("openai-chat-stream-failing")))


@CASES("retries tied", *busy_once("openai-chat-rate-limited", "openai-chat"))
def ask_busy(sdk: Any) -> Any:
    return sdk.plain.chat.completions.create(**asked("openai-chat"))


@CASES("retries tied", *busy_once("openai-chat-rate-limited", "openai-chat"))
async def ask_busy_awaited(sdk: Any) -> Any:
    return await sdk.awaited.chat.completions.create(**asked("openai-chat"))


@CASES("timeout", silent("openai-chat"), ending="timeout")
def ask_too_slow(sdk: Any) -> Any:
    return sdk.plain.with_options(timeout=0.1, max_retries=0).chat.completions.create(**asked("openai-chat"))


@CASES("timeout", silent("openai-chat"), ending="timeout")
async def ask_too_slow_awaited(sdk: Any) -> Any:
    client = sdk.awaited.with_options(timeout=0.1, max_retries=0)
    return await client.chat.completions.create(**asked("openai-chat"))


@CASES("responses", "openai-responses")
def ask_responses(sdk: Any) -> Any:
    return sdk.plain.responses.create(**asked("openai-responses"))


@CASES("responses", "openai-responses-stream")
def ask_responses_stream(sdk: Any) -> Any:
    return list(sdk.plain.responses.create(**asked("openai-responses-stream")))


@CASES("responses", "openai-responses-stream")
async def ask_responses_stream_awaited(sdk: Any) -> Any:
    return [event async for event in await sdk.awaited.responses.create(**asked("openai-responses-stream"))]


@CASES("responses", "openai-responses-stream-failing")
def ask_responses_stream_failing(sdk: Any) -> Any:
    return list(sdk.plain.responses.create(**asked("openai-responses-stream-failing")))


@CASES("embeddings", "openai-embeddings")
def ask_embeddings(sdk: Any) -> Any:
    return sdk.plain.embeddings.create(**asked("openai-embeddings"))


@CASES("embeddings", "openai-embeddings")
async def ask_embeddings_awaited(sdk: Any) -> Any:
    return await sdk.awaited.embeddings.create(**asked("openai-embeddings"))


@CASES("images", "openai-image_generation")
def ask_image(sdk: Any) -> Any:
    return sdk.plain.images.generate(**asked("openai-image_generation"))


@CASES("images", "openai-image_generation-stream")
def ask_image_stream(sdk: Any) -> Any:
    return list(sdk.plain.images.generate(**asked("openai-image_generation-stream")))


@CASES("audio", "openai-transcription")
def ask_transcription(sdk: Any) -> Any:
    return sdk.plain.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=_SPEECH, prompt="Weather talk", temperature=0.3, response_format="json"
    )


@CASES("audio", "openai-transcription")
async def ask_transcription_awaited(sdk: Any) -> Any:
    return await sdk.awaited.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=_SPEECH, prompt="Weather talk", temperature=0.3, response_format="json"
    )


@CASES("audio", "openai-speech")
def ask_speech(sdk: Any) -> Any:
    return sdk.plain.audio.speech.create(**asked("openai-speech")).content


@CASES("Azure", "azure_openai-chat")
def ask_azure(sdk: Any) -> Any:
    return sdk.azure.chat.completions.create(**asked("azure_openai-chat", model="gpt4o-prod"))


@CASES("Azure", "azure_openai-chat-stream")
async def ask_azure_stream(sdk: Any) -> Any:
    return [
        chunk async for chunk in await sdk.azure_awaited.chat.completions.create(**asked("azure_openai-chat-stream"))
    ]


@CASES("Azure", *busy_once("azure_openai-chat-rate-limited", "azure_openai-chat"))
def ask_azure_busy(sdk: Any) -> Any:
    return sdk.azure.chat.completions.create(**asked("azure_openai-chat", model="gpt4o-prod"))
