"""The httpx shim: records what goes through a transport of httpx2 or httpx, wrapped or patched; imports neither."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from functools import cache, wraps
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

from tokentrail.producers.capture import Capture
from tokentrail.producers.exchange import Exchange
from tokentrail.producers.form_outline import file_mark, form_outline
from tokentrail.producers.guard import guarded
from tokentrail.producers.strictness import require_record, require_record_async
from tokentrail.producers.suppression import recording_here, suppressed

TransportT = TypeVar("TransportT")
CaptureOf = Callable[[str, int | None], Capture | None]
"""Which capture records a request to this host and port; None: nobody does."""
_STARTING: Final = guarded("recording the start of a call")
_WATCHING: Final = guarded("watching an answer")


def wrap_transport(transport: TransportT, capture: Capture) -> TransportT:
    """Return the transport, recording every request through it; one that records already is returned as it is.

    Bytes, timing and errors are the wrapped transport's own.
    """
    if isinstance(transport, RecordingTransport):
        return transport
    return cast("TransportT", RecordingTransport(transport, capture))


def record_sync(handle: Callable[..., Any], capture_of: CaptureOf) -> Callable[..., Any]:
    """Return `handle_request` of a transport class, recording what `capture_of` has a capture for."""

    @wraps(handle)
    def handle_request(self: Any, request: Any) -> Any:
        capture = _capture_for(request, capture_of)
        if capture is None:
            return handle(self, request)
        exchange = _begin(request, capture)
        if capture.strict:
            require_record(exchange)
        if exchange is None:
            return handle(self, request)
        with recording_here():
            try:
                response = handle(self, request)
            except BaseException as error:
                exchange.fail(error)
                raise
        _watch(response, exchange, _SyncStream)
        return response

    return handle_request


def record_async(handle: Callable[..., Any], capture_of: CaptureOf) -> Callable[..., Any]:
    """As `record_sync`, for `handle_async_request`."""

    @wraps(handle)
    async def handle_async_request(self: Any, request: Any) -> Any:
        capture = _capture_for(request, capture_of)
        if capture is None:
            return await handle(self, request)
        exchange = _begin(request, capture)
        if capture.strict:
            await require_record_async(exchange)
        if exchange is None:
            return await handle(self, request)
        with recording_here():
            try:
                response = await handle(self, request)
            except BaseException as error:
                exchange.fail(error)
                raise
        _watch(response, exchange, _AsyncStream)
        return response

    return handle_async_request


class RecordingTransport:
    """A transport that records. Synchronous or asynchronous, whichever the wrapped one is; some are both."""

    def __init__(self, wrapped: Any, capture: Capture) -> None:
        def capture_of(_host: str, _port: int | None) -> Capture:
            return capture

        self._wrapped = wrapped
        self._send = record_sync(_send, capture_of)
        self._send_async = record_async(_send_async, capture_of)

    def __getattr__(self, name: str) -> Any:
        if name == "_wrapped":  # asked for before __init__, by copy or pickle
            raise AttributeError(name)
        return getattr(self._wrapped, name)

    def handle_request(self, request: Any) -> Any:
        """Send the request through the wrapped transport."""
        return self._send(self._wrapped, request)

    async def handle_async_request(self, request: Any) -> Any:
        """As `handle_request`, awaited."""
        return await self._send_async(self._wrapped, request)

    def __enter__(self) -> Self:
        self._wrapped.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._wrapped.__exit__(kind, error, traceback)

    async def __aenter__(self) -> Self:
        await self._wrapped.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._wrapped.__aexit__(kind, error, traceback)


def _send(wrapped: Any, request: Any) -> Any:
    return wrapped.handle_request(request)


async def _send_async(wrapped: Any, request: Any) -> Any:
    return await wrapped.handle_async_request(request)


def _capture_for(request: Any, capture_of: CaptureOf) -> Capture | None:
    if suppressed():
        return None
    try:
        url = request.url
        return capture_of(url.host, url.port)
    except Exception as error:  # noqa: BLE001 - counted and told; the call goes on
        _STARTING.note(error)
        return None


def _begin(request: Any, capture: Capture) -> Exchange | None:
    try:
        url = request.url
        # A streamed upload has no content yet, and reading it would take it from the transport.
        body = getattr(request, "_content", None)
        if body is None:
            body = _form(request)
        # The headers themselves, and not a copy: nobody changes them once they are on their way.
        return capture.begin(request.method, url.host, url.port, url.raw_path, request.headers, body)
    except Exception as error:  # noqa: BLE001 - counted and told; the call goes on
        _STARTING.note(error)
        return None


def _form(request: Any) -> bytes | None:
    """Return what stands for a multipart form: its fields name the model beside the files."""
    fields = getattr(request.stream, "fields", None)
    if not isinstance(fields, list):
        return None
    parts = [
        (field.render_headers()[:-4], field.render_data() if hasattr(field, "value") else file_mark(field.file))
        for field in fields
    ]
    return form_outline(parts, request.headers.get("content-length", ""))


class _SyncStream:
    """The body on its way to the client: every piece is passed on as it came, after a look at it."""

    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        return self._pass_on()

    def _pass_on(self) -> Generator[bytes, None, None]:
        exchange = self._exchange
        try:
            for data in self._stream:
                exchange.chunk(data)
                yield data
        except BaseException as error:
            exchange.fail(error)
            raise
        exchange.end()

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._exchange.abandon()

    def __del__(self) -> None:
        self._exchange.abandon()


class _AsyncStream:
    """As `_SyncStream`, for async clients."""

    def __init__(self, stream: Any, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pass_on()

    async def _pass_on(self) -> AsyncGenerator[bytes, None]:
        exchange = self._exchange
        stream = self._stream.__aiter__()
        try:
            async for data in stream:
                exchange.chunk(data)
                yield data
        except BaseException as error:
            exchange.fail(error)
            raise
        finally:
            if isinstance(stream, AsyncGenerator):  # as httpx2 does: leave no generator to the garbage collector
                await stream.aclose()
        exchange.end()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._exchange.abandon()

    def __del__(self) -> None:
        self._exchange.abandon()


def _watch(response: Any, exchange: Exchange, kind: type[Any]) -> None:
    with _WATCHING:
        _begin_watching(response, exchange, kind)
        return
    with _WATCHING:
        exchange.answered(response.status_code, (), decoded=True)
        exchange.end()


def _begin_watching(response: Any, exchange: Exchange, kind: type[Any]) -> None:
    if response.is_closed:  # a transport that keeps or makes up answers: all is there, and decoded
        exchange.answered(response.status_code, response.headers, decoded=True)
        exchange.chunk(response.content)
        exchange.end()
        return
    library: Any = type(response)
    stream: Any = type(response.stream)
    watched: Any = kind
    exchange.answered(response.status_code, response.headers, decoded=False, decode_whole=whole_decoder(library))
    response.stream = _stream_class(watched, stream)(response.stream, exchange)


@cache
def whole_decoder(library: Any) -> Callable[[bytes, str], bytes]:
    """Return the client library's own decoding of a whole body: it knows br and zstd where they are installed."""

    def decode(body: bytes, encoding: str) -> bytes:
        return cast("bytes", library(200, headers={"content-encoding": encoding}, content=body).content)

    return decode


@cache
def _stream_class(kind: Any, stream: Any) -> type[Any]:
    """Clients check that a body is an instance of their own library's stream class."""
    wanted = "SyncByteStream" if kind is _SyncStream else "AsyncByteStream"
    byte_stream = next(base for base in stream.__mro__ if base.__name__ == wanted)
    return type(f"Recorded{wanted}", (kind, byte_stream), {})
