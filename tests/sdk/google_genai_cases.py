"""google-genai: generate_content, streams, embeddings. Its async calls go through aiohttp where that is installed."""

from types import SimpleNamespace
from typing import Any

from provider_server import ProviderServer, asked
from recorded_exchanges import load_exchange
from sdk_cases import Cases, busy_once, held, silent

MADE_UP_KEY = "AIzaSyMadeUpMadeUpMadeUpMadeUpMadeUpMad"


def open_clients(server: ProviderServer) -> Any:
    """Return the SDK's clients: as services make them; with httpx2 for async calls; with retries; and in a hurry."""
    import httpx2
    from google import genai
    from google.genai.types import HttpOptions, HttpRetryOptions

    def client(**options: Any) -> Any:
        return genai.Client(
            api_key=MADE_UP_KEY, http_options=HttpOptions(base_url=server.url_of("gcp.gemini"), **options)
        )

    return SimpleNamespace(
        gemini=client(),
        by_httpx2=client(httpx_async_client=httpx2.AsyncClient()),
        patient=client(retry_options=HttpRetryOptions(attempts=2, initial_delay=0.01, jitter=0.0)),
        hurried=client(timeout=100),
    )


CASES = Cases("google-genai", open_clients)


def _asked(exchange: str = "gemini-generate_content") -> dict[str, Any]:
    """Return what was asked, as the SDK takes it: it turns the names into those of the wire."""
    ask = asked(exchange)
    config = dict(ask.get("generationConfig", {}))
    if "systemInstruction" in ask:
        config["systemInstruction"] = ask["systemInstruction"]
    model = load_exchange(exchange)["url"].rpartition("/")[2].partition(":")[0]
    return {"model": model, "contents": ask["contents"], "config": config}


@CASES("plain", "gemini-generate_content")
def ask_generate(sdk: Any) -> Any:
    return sdk.gemini.models.generate_content(**_asked())


@CASES("stream", "gemini-generate_content-stream")
def ask_generate_stream(sdk: Any) -> Any:
    return list(sdk.gemini.models.generate_content_stream(**_asked()))


@CASES("async", "gemini-generate_content")
async def ask_generate_awaited(sdk: Any) -> Any:
    return await sdk.gemini.aio.models.generate_content(**_asked())


@CASES("async", "gemini-generate_content")
async def ask_generate_awaited_by_httpx2(sdk: Any) -> Any:
    return await sdk.by_httpx2.aio.models.generate_content(**_asked())


@CASES("async stream", "gemini-generate_content-stream")
async def ask_generate_stream_awaited(sdk: Any) -> Any:
    return [chunk async for chunk in await sdk.gemini.aio.models.generate_content_stream(**_asked())]


@CASES("async stream", "gemini-generate_content-stream")
async def ask_generate_stream_awaited_by_httpx2(sdk: Any) -> Any:
    return [chunk async for chunk in await sdk.by_httpx2.aio.models.generate_content_stream(**_asked())]


@CASES("stream left early", held("gemini-generate_content-stream", 2), ending="left")
def ask_generate_stream_left(sdk: Any) -> Any:
    stream = sdk.gemini.models.generate_content_stream(**_asked())
    first = next(stream)
    stream.close()
    return first


@CASES("stream left early", held("gemini-generate_content-stream", 2), ending="left")
async def ask_generate_stream_left_awaited(sdk: Any) -> Any:
    stream = await sdk.gemini.aio.models.generate_content_stream(**_asked())
    first = await anext(stream)
    await stream.aclose()
    return first


@CASES("stream left early", held("gemini-generate_content-stream", 2), ending="left")
async def ask_generate_stream_left_awaited_by_httpx2(sdk: Any) -> Any:
    stream = await sdk.by_httpx2.aio.models.generate_content_stream(**_asked())
    first = await anext(stream)
    await stream.aclose()
    return first


@CASES("errors", "gemini-generate_content-refused")
def ask_refused(sdk: Any) -> Any:
    return sdk.gemini.models.generate_content(**_asked("gemini-generate_content-refused"))


@CASES("errors", "gemini-generate_content-refused")
async def ask_refused_awaited(sdk: Any) -> Any:
    return await sdk.gemini.aio.models.generate_content(**_asked("gemini-generate_content-refused"))


@CASES("errors", "gemini-generate_content-stream-failing")
def ask_failing_stream(sdk: Any) -> Any:
    return list(sdk.gemini.models.generate_content_stream(**_asked()))


@CASES("retries tied", *busy_once("gemini-generate_content-rate-limited", "gemini-generate_content"))
def ask_busy(sdk: Any) -> Any:
    return sdk.patient.models.generate_content(**_asked())


@CASES("retries tied", *busy_once("gemini-generate_content-rate-limited", "gemini-generate_content"))
async def ask_busy_awaited(sdk: Any) -> Any:
    return await sdk.patient.aio.models.generate_content(**_asked())


@CASES("timeout", silent("gemini-generate_content"), ending="timeout")
def ask_too_slow(sdk: Any) -> Any:
    return sdk.hurried.models.generate_content(**_asked())


@CASES("timeout", silent("gemini-generate_content"), ending="timeout")
async def ask_too_slow_awaited(sdk: Any) -> Any:
    return await sdk.hurried.aio.models.generate_content(**_asked())


@CASES("embeddings", "gemini-embeddings-batch")
def ask_embeddings(sdk: Any) -> Any:
    return sdk.gemini.models.embed_content(model="gemini-embedding-001", contents=["Why?", "How?"])


@CASES("embeddings", "gemini-embeddings-batch")
async def ask_embeddings_awaited(sdk: Any) -> Any:
    return await sdk.gemini.aio.models.embed_content(model="gemini-embedding-001", contents=["Why?", "How?"])


@CASES("token counts", "gemini-count_tokens")
def ask_count_tokens(sdk: Any) -> Any:
    return sdk.gemini.models.count_tokens(model="gemini-2.5-flash", contents="Why is the sky blue?")
