"""A small OpenAI-compatible provider on loopback: chat completions, plain and streaming, and faults on demand.

`python -m tokentrail.compose.demo.provider` prints its address as its only line and serves until standard input ends,
so that it never outlives whoever started it.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Annotated, Any, Final, Literal
from uuid import uuid4

import msgspec
from aiohttp import web
from msgspec import Meta

CHARACTERS_PER_TOKEN: Final = 4
"""How this provider counts: one token for every four characters of a prompt, rounded up."""
_CHUNK_TOKENS: Final = 24
_FIRST_TOKEN_S: Final = 0.01  # long enough to be seen as a latency, short enough for hundreds of calls a second
_DEFAULT_OUTPUT_TOKENS: Final = 16
_WORDS: Final = ("the", "order", "was", "sent", "on", "time", "and", "we", "will", "write", "again", "soon")
_FAULTS: Final = web.AppKey("faults", dict[str, int])


class _Message(msgspec.Struct):
    role: str
    content: str


class _StreamOptions(msgspec.Struct):
    include_usage: bool = False


class CompletionRequest(msgspec.Struct):
    """The part of a chat completion request that this provider heeds; other fields are let pass."""

    model: Annotated[str, Meta(min_length=1)]
    messages: Annotated[list[_Message], Meta(min_length=1)]
    max_completion_tokens: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    stream: bool = False
    stream_options: _StreamOptions | None = None

    @property
    def input_tokens(self) -> int:
        """What the prompt counts as."""
        return sum(count_tokens(message.content) for message in self.messages)

    @property
    def output_tokens(self) -> int:
        """How long the answer gets: exactly as long as the caller lets it."""
        return self.max_completion_tokens or self.max_tokens or _DEFAULT_OUTPUT_TOKENS


class Fault(msgspec.Struct):
    """From now on every call of a model is answered with this HTTP status."""

    status: Annotated[int, Meta(ge=400, le=599)]


_decode_request = msgspec.json.Decoder(CompletionRequest).decode
_decode_fault = msgspec.json.Decoder(Fault).decode


def count_tokens(text: str) -> int:
    """Return how many tokens this provider takes a text for."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def write_prompt(tokens: int, order: int = 1) -> str:
    """Return a text that counts as exactly `tokens`; another order gives another text, if there is room to name it."""
    filler = "Please answer the question about this customer's last order. "
    text = f"#{order} " + filler * (tokens * CHARACTERS_PER_TOKEN // len(filler) + 1)
    return text[: tokens * CHARACTERS_PER_TOKEN]


def build_app() -> web.Application:
    """Return the provider as an aiohttp application, healthy."""
    app = web.Application(client_max_size=8 * 2**20)
    app[_FAULTS] = {}
    app.router.add_post("/v1/chat/completions", _complete)
    app.router.add_put("/faults/{model}", _set_fault)
    app.router.add_delete("/faults/{model}", _clear_fault)
    return app


async def _set_fault(request: web.Request) -> web.Response:
    try:
        request.app[_FAULTS][request.match_info["model"]] = _decode_fault(await request.read()).status
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _refuse(400, str(error))
    return web.Response(status=204)


async def _clear_fault(request: web.Request) -> web.Response:
    request.app[_FAULTS].pop(request.match_info["model"], None)
    return web.Response(status=204)


async def _complete(request: web.Request) -> web.StreamResponse:
    if not request.headers.get("Authorization", "").startswith("Bearer "):
        return _refuse(401, "You didn't provide an API key.")
    try:
        wanted = _decode_request(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _refuse(400, str(error))
    if status := request.app[_FAULTS].get(wanted.model):
        return _refuse(status, f"The model {wanted.model} is overloaded; try again later.")
    await asyncio.sleep(_FIRST_TOKEN_S)
    if wanted.stream:
        return await _stream(request, wanted)
    message = {"role": "assistant", "content": "".join(_write_chunks(wanted.output_tokens))}
    choice = {"index": 0, "message": message, "finish_reason": "length", "logprobs": None}
    return web.json_response({**_head(wanted, "chat.completion"), "choices": [choice], "usage": _usage(wanted)})


async def _stream(request: web.Request, wanted: CompletionRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "x-request-id": f"req_{uuid4().hex}"})
    await response.prepare(request)
    head = _head(wanted, "chat.completion.chunk")
    for text in _write_chunks(wanted.output_tokens):
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
        await response.write(_frame({**head, "choices": [choice]}))
    await response.write(_frame({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}))
    if wanted.stream_options and wanted.stream_options.include_usage:
        await response.write(_frame({**head, "choices": [], "usage": _usage(wanted)}))
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


def _head(wanted: CompletionRequest, kind: Literal["chat.completion", "chat.completion.chunk"]) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid4().hex}", "object": kind, "created": int(time.time()), "model": wanted.model}


def _usage(wanted: CompletionRequest) -> dict[str, int]:
    read, written = wanted.input_tokens, wanted.output_tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _write_chunks(tokens: int) -> Iterator[str]:
    words = cycle(_WORDS)
    while tokens > 0:
        size = min(tokens, _CHUNK_TOKENS)
        yield " ".join(islice(words, size)) + " "
        tokens -= size


def _frame(chunk: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _refuse(status: int, message: str) -> web.Response:
    error = {"message": message, "type": "invalid_request_error" if status < 500 else "server_error", "code": None}  # noqa: PLR2004  # HTTP's own border
    return web.json_response({"error": error}, status=status, headers={"x-request-id": f"req_{uuid4().hex}"})


async def serve() -> None:
    """Serve on a free loopback port until standard input ends."""
    runner = web.AppRunner(build_app(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        sys.stdout.write(f"http://{host}:{port}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve())
