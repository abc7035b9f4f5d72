"""langchain-openai: invoke, stream and embeddings, on top of the openai SDK."""

from types import SimpleNamespace
from typing import Any

from provider_server import ProviderServer, asked
from sdk_cases import Cases, busy_once, held, silent

MADE_UP_KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCD"


def open_clients(server: ProviderServer) -> Any:
    """Return models as chains are made of."""
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings

    told: dict[str, Any] = {"base_url": f"{server.url_of('openai')}/v1", "api_key": MADE_UP_KEY}
    asking: dict[str, Any] = {"max_tokens": 400, "model_kwargs": {"user": "user-42"}}
    return SimpleNamespace(
        chat=ChatOpenAI(model="gpt-5", **asking, **told),
        stream=ChatOpenAI(model="gpt-5", stream_usage=True, model_kwargs={"safety_identifier": "h-9f"}, **told),
        hurried=ChatOpenAI(model="gpt-5", timeout=0.1, max_retries=0, **told),
        embeddings=OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False, **told),
    )


CASES = Cases("langchain-openai", open_clients, made_up=r"lc_run--[0-9a-f-]{36}|run--[0-9a-f-]{36}")


def _messages(exchange: str) -> Any:
    return [(message["role"], message["content"]) for message in asked(exchange)["messages"]]


@CASES("plain", "openai-chat", temperature=None)
def ask_invoke(sdk: Any) -> Any:
    return sdk.chat.invoke(_messages("openai-chat"))


@CASES("stream", "openai-chat-stream")
def ask_stream(sdk: Any) -> Any:
    return list(sdk.stream.stream(_messages("openai-chat-stream")))


@CASES("async", "openai-chat", temperature=None)
async def ask_ainvoke(sdk: Any) -> Any:
    return await sdk.chat.ainvoke(_messages("openai-chat"))


@CASES("async stream", "openai-chat-stream")
async def ask_astream(sdk: Any) -> Any:
    return [chunk async for chunk in sdk.stream.astream(_messages("openai-chat-stream"))]


@CASES("stream left early", held("openai-chat-stream"), ending="left")
def ask_stream_left(sdk: Any) -> Any:
    stream = sdk.stream.stream(_messages("openai-chat-stream"))
    first = next(stream)
    stream.close()
    return first


@CASES("stream left early", held("openai-chat-stream"), ending="left")
async def ask_astream_left(sdk: Any) -> Any:
    stream = sdk.stream.astream(_messages("openai-chat-stream"))
    first = await anext(stream)
    await stream.aclose()
    return first


@CASES("errors", "openai-chat-refused", request_model="gpt-5")
def ask_refused(sdk: Any) -> Any:
    return sdk.chat.invoke(_messages("openai-chat"))


@CASES("retries tied", *busy_once("openai-chat-rate-limited", "openai-chat"), temperature=None)
def ask_busy(sdk: Any) -> Any:
    return sdk.chat.invoke(_messages("openai-chat"))


@CASES("retries tied", *busy_once("openai-chat-rate-limited", "openai-chat"), temperature=None)
async def ask_busy_awaited(sdk: Any) -> Any:
    return await sdk.chat.ainvoke(_messages("openai-chat"))


@CASES("timeout", silent("openai-chat"), ending="timeout")
def ask_too_slow(sdk: Any) -> Any:
    return sdk.hurried.invoke(_messages("openai-chat"))


@CASES("timeout", silent("openai-chat"), ending="timeout")
async def ask_too_slow_awaited(sdk: Any) -> Any:
    return await sdk.hurried.ainvoke(_messages("openai-chat"))


@CASES("embeddings", "openai-embeddings", user_id=None)
def ask_embeddings(sdk: Any) -> Any:
    return sdk.embeddings.embed_documents(asked("openai-embeddings")["input"])


@CASES("embeddings", "openai-embeddings", user_id=None)
async def ask_embeddings_awaited(sdk: Any) -> Any:
    return await sdk.embeddings.aembed_documents(asked("openai-embeddings")["input"])
