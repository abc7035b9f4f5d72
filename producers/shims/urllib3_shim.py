"""urllib3, and so requests and botocore, which send everything through it."""

from __future__ import annotations

import weakref
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from tokentrail.producers.guard import guarded
from tokentrail.producers.shims.patch import Patch, patch_method
from tokentrail.producers.strictness import require_record
from tokentrail.producers.suppression import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tokentrail.producers.capture import Capture
    from tokentrail.producers.exchange import Exchange
    from tokentrail.producers.transport import CaptureOf

_STARTING: Final = guarded("recording the start of a call")
_WATCHING: Final = guarded("watching an answer")


def patch_urllib3(module: Any, capture_of: CaptureOf) -> list[Patch]:
    """Record what goes through urllib3's connection pools. What urllib3 itself retries is one event."""
    pool = module.connectionpool.HTTPConnectionPool
    return [patch_method(pool, "urlopen", lambda urlopen: _record(urlopen, capture_of))]


def _record(urlopen: Callable[..., Any], capture_of: CaptureOf) -> Callable[..., Any]:
    @wraps(urlopen)
    def recorded(self: Any, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> Any:
        capture = _capture_for(self, capture_of)
        if capture is None:
            return urlopen(self, method, url, body, headers, **options)
        exchange = _begin(self, method, url, body, headers, capture)
        if capture.strict:
            require_record(exchange)
        if exchange is None:
            return urlopen(self, method, url, body, headers, **options)
        token = recording.set(True)
        try:
            response = urlopen(self, method, url, body, headers, **options)
        except BaseException as error:
            exchange.fail(error)
            raise
        finally:
            recording.reset(token)
        with _WATCHING:
            _watch(response, exchange, preloaded=options.get("preload_content", True))
        return response

    def urlopen_recorded(self: Any, method: str, url: str, *args: Any, **options: Any) -> Any:
        if len(args) > 2:  # noqa: PLR2004 - body and headers; nobody gives more by position, and we would not know it
            return urlopen(self, method, url, *args, **options)
        return recorded(self, method, url, *args, **options)

    return wraps(urlopen)(urlopen_recorded)


def _capture_for(pool: Any, capture_of: CaptureOf) -> Capture | None:
    if recording.get():
        return None
    with _STARTING:
        return capture_of(pool.host, pool.port)
    return None


def _begin(pool: Any, method: str, url: str, body: Any, headers: Any, capture: Capture) -> Exchange | None:  # noqa: PLR0913, PLR0917 - as urlopen has them
    with _STARTING:
        target = url if url.startswith("/") else "/" + url.partition("://")[2].partition("/")[2]
        sent = headers if headers is not None else pool.headers
        return capture.begin(
            method, pool.host, pool.port, target.encode("latin-1", "replace"), list(sent.items()), _bytes(body)
        )
    return None


def _bytes(body: Any) -> bytes | None:
    if isinstance(body, str):
        return body.encode("utf-8", "replace")
    return bytes(body) if isinstance(body, (bytes, bytearray)) else None


def _watch(response: Any, exchange: Exchange, *, preloaded: bool) -> None:
    retries = getattr(response, "retries", None)
    exchange.retried = len(retries.history) if retries is not None and retries.history else None
    headers = list(response.headers.items())
    if preloaded:
        exchange.answered(response.status, headers, decoded=bool(response.decode_content))
        exchange.chunk(response.data)
        exchange.end()
        return
    exchange.answered(response.status, headers, decoded=True)
    _Tap(response, exchange)


class _Tap:
    """Looks at what is read from one response. Its reading methods call each other: the outermost one counts."""

    def __init__(self, response: Any, exchange: Exchange) -> None:
        self._exchange = exchange
        self._inside = False
        self._default_decodes = bool(response.decode_content)
        for name in ("read", "read1", "readinto", "stream", "read_chunked", "close"):
            original = getattr(response, name, None)
            if original is not None:
                setattr(response, name, getattr(self, f"_{name}")(original))
        # Not at exit: an answer that is still held then has not been given up.
        weakref.finalize(response, exchange.abandon).atexit = False

    def _read(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def read(amt: int | None = None, decode_content: bool | None = None, *args: Any, **options: Any) -> Any:  # noqa: FBT001 - urllib3's own signature
            data = self._look(lambda: original(amt, decode_content, *args, **options), decode_content)
            if not self._inside and (amt is None or (not data and amt)):
                self._exchange.end()
            return data

        return read

    def _read1(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def read1(amt: int | None = None, decode_content: bool | None = None) -> Any:  # noqa: FBT001 - urllib3's own
            data = self._look(lambda: original(amt, decode_content), decode_content)
            if not self._inside and not data and amt != 0:
                self._exchange.end()
            return data

        return read1

    def _readinto(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def readinto(buffer: Any) -> int:
            outermost = not self._inside
            count: int = self._look(lambda: original(buffer), None, seen=lambda read: bytes(buffer[:read]))
            if outermost and not count and len(buffer):
                self._exchange.end()
            return count

        return readinto

    def _stream(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def stream(amt: int | None = 65_536, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: FBT001 - urllib3's own
            return self._pass_on(original(amt, decode_content), decode_content)

        return stream

    def _read_chunked(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def read_chunked(amt: int | None = None, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: FBT001 - urllib3's own
            pieces = original(amt, decode_content)
            return pieces if self._inside else self._pass_on(pieces, decode_content)

        return read_chunked

    def _close(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def close() -> None:
            try:
                original()
            finally:
                if not self._inside:  # urllib3 closes what it has read to its end, before it hands over the rest
                    self._exchange.abandon()

        return close

    def _pass_on(self, pieces: Iterator[bytes], decode_content: bool | None) -> Iterator[bytes]:  # noqa: FBT001 - None says something too
        end = object()
        while True:
            data = self._look(lambda: next(pieces, end), decode_content)
            if data is end:
                self._exchange.end()
                return
            yield data

    def _look(
        self,
        read: Callable[[], Any],
        decode_content: bool | None,  # noqa: FBT001 - None says something too
        seen: Callable[[Any], Any] = lambda data: data,
    ) -> Any:
        if self._inside:
            return read()
        self._inside = True
        try:
            data = read()
        except BaseException as error:
            self._exchange.fail(error)
            raise
        finally:
            self._inside = False
        with _WATCHING:
            self._exchange.decoded = self._default_decodes if decode_content is None else decode_content
            piece = seen(data)
            if isinstance(piece, bytes) and piece:
                self._exchange.chunk(piece)
        return data
