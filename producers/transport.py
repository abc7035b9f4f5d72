"""The HTTP shim: wraps a transport of httpx2 or httpx (both share one interface; neither is imported here)."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from functools import cache
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

from tokentrail.producers.capture import Attempt, Capture, RequestFacts
from tokentrail.producers.guard import guarded

TransportT = TypeVar("TransportT")
_STARTING: Final = guarded("recording the start of a call")
_WATCHING: Final = guarded("watching an answer")
_IDENTITY: Final = (b"", b"identity")


def wrap_transport(transport: TransportT, capture: Capture) -> TransportT:
    """Return the transport, recording every request through it; one that records already is returned as it is.

    Bytes, timing and errors are the wrapped transport's own.
    """
    if isinstance(transport, RecordingTransport):
        return transport
    return cast("TransportT", RecordingTransport(transport, capture))


class RecordingTransport:
    """A transport that records. Synchronous or asynchronous, whichever the wrapped one is; some are both."""

    def __init__(self, wrapped: Any, capture: Capture) -> None:
        self._wrapped = wrapped
        self._capture = capture

    def __getattr__(self, name: str) -> Any:
        if name == "_wrapped":  # asked for before __init__, by copy or pickle
            raise AttributeError(name)
        return getattr(self._wrapped, name)

    def handle_request(self, request: Any) -> Any:
        """Send the request through the wrapped transport."""
        attempt = self._begin(request)
        if attempt is None:
            return self._wrapped.handle_request(request)
        try:
            response = self._wrapped.handle_request(request)
        except BaseException as error:
            attempt.fail(error)
            raise
        _watch(response, attempt, _SyncStream)
        return response

    async def handle_async_request(self, request: Any) -> Any:
        """As `handle_request`, awaited."""
        attempt = self._begin(request)
        if attempt is None:
            return await self._wrapped.handle_async_request(request)
        try:
            response = await self._wrapped.handle_async_request(request)
        except BaseException as error:
            attempt.fail(error)
            raise
        _watch(response, attempt, _AsyncStream)
        return response

    def _begin(self, request: Any) -> Attempt | None:
        with _STARTING:
            return self._capture.begin(_facts_of(request))
        return None

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


class _SyncStream:
    """The body on its way to the client: every piece is passed on as it came, after a look at it."""

    def __init__(self, stream: Any, attempt: Attempt) -> None:
        self._stream = stream
        self._attempt = attempt

    def __iter__(self) -> Iterator[bytes]:
        return self._pass_on()

    def _pass_on(self) -> Generator[bytes, None, None]:
        attempt = self._attempt
        try:
            for data in self._stream:
                attempt.chunk(data)
                yield data
        except BaseException as error:
            attempt.fail(error)
            raise
        attempt.end()

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._attempt.abandon()

    def __del__(self) -> None:
        self._attempt.abandon()


class _AsyncStream:
    """As `_SyncStream`, for async clients."""

    def __init__(self, stream: Any, attempt: Attempt) -> None:
        self._stream = stream
        self._attempt = attempt

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pass_on()

    async def _pass_on(self) -> AsyncGenerator[bytes, None]:
        attempt = self._attempt
        stream = self._stream.__aiter__()
        try:
            async for data in stream:
                attempt.chunk(data)
                yield data
        except BaseException as error:
            attempt.fail(error)
            raise
        finally:
            if isinstance(stream, AsyncGenerator):  # as httpx2 does: leave no generator to the garbage collector
                await stream.aclose()
        attempt.end()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._attempt.abandon()

    def __del__(self) -> None:
        self._attempt.abandon()


def _facts_of(request: Any) -> RequestFacts:
    url = request.url
    return RequestFacts(
        request.method,
        url.raw_host.decode("ascii", "replace"),
        url.raw_path,
        {name.lower(): value for name, value in request.headers.raw},
        # A streamed upload has no content yet, and reading it would take it from the transport.
        getattr(request, "_content", None),
    )


def _watch(response: Any, attempt: Attempt, kind: type[Any]) -> None:
    with _WATCHING:
        _begin_watching(response, attempt, kind)
        return
    with _WATCHING:
        attempt.end_unwatched(response.status_code)


def _begin_watching(response: Any, attempt: Attempt, kind: type[Any]) -> None:
    headers = {name.lower(): value for name, value in response.headers.raw}
    encoded = headers.get(b"content-encoding", b"").strip().lower() not in _IDENTITY
    if response.is_closed:  # a transport that keeps or makes up answers: all is there, and decoded
        attempt.answered(response.status_code, headers, None)
        attempt.chunk(response.content)
        attempt.end()
        return
    attempt.answered(response.status_code, headers, _decoder(response) if encoded else None)
    response.stream = _stream_class((kind, type(response.stream)))(response.stream, attempt)


def _decoder(response: Any) -> Callable[[bytes], bytes]:
    """Return the client library's own decoding of a whole body: it knows br and zstd where they are installed."""
    library, encoding = type(response), response.headers["content-encoding"]

    def decode(body: bytes) -> bytes:
        return cast("bytes", library(200, headers={"content-encoding": encoding}, content=body).content)

    return decode


@cache
def _stream_class(kinds: tuple[type[Any], type[Any]]) -> type[Any]:
    """Clients check that a body is an instance of their own library's stream class."""
    kind, stream = kinds
    wanted = "SyncByteStream" if kind is _SyncStream else "AsyncByteStream"
    byte_stream = next(base for base in stream.__mro__ if base.__name__ == wanted)
    return type(f"Recorded{wanted}", (kind, byte_stream), {})
