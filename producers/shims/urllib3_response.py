"""urllib3's unread answers: looks at what is read of one, whichever way it is read."""

from __future__ import annotations

import weakref
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Final

from tokentrail.producers.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tokentrail.producers.exchange import Exchange

_WATCHING: Final = guarded("watching an answer")


def watch_response(response: Any, exchange: Exchange) -> None:
    """Pass what is read of the response on to the exchange, and end it with the response.

    The response becomes an instance of a subclass of its class, so that it is gone when its last user lets it go:
    methods of its own, set on the object, would keep it, and its connection, until the garbage is collected.
    """
    # Not at exit: an answer that is still held then has not been given up.
    weakref.finalize(response, exchange.abandon).atexit = False
    response._tokentrail = _Tap(exchange, decodes=bool(response.decode_content))  # noqa: SLF001 - an attribute of ours
    kind: Any = type(response)
    response.__class__ = _watched_class(kind)


class _Tap:
    """What is known of the reading of one response. Its reading methods call each other: the outermost one counts."""

    def __init__(self, exchange: Exchange, *, decodes: bool) -> None:
        self.exchange = exchange
        self.inside = False
        self._decodes = decodes

    def look(
        self,
        read: Callable[[], Any],
        decode_content: bool | None,  # noqa: FBT001 - None says something too
        seen: Callable[[Any], Any] = lambda data: data,
    ) -> Any:
        if self.inside:
            return read()
        self.inside = True
        try:
            data = read()
        except BaseException as error:
            self.exchange.fail(error)
            raise
        finally:
            self.inside = False
        with _WATCHING:
            self.exchange.decoded = self._decodes if decode_content is None else decode_content
            piece = seen(data)
            if isinstance(piece, bytes) and piece:
                self.exchange.chunk(piece)
        return data

    def pass_on(self, pieces: Iterator[bytes], decode_content: bool | None) -> Iterator[bytes]:  # noqa: FBT001 - None says something too
        end = object()
        while True:
            data = self.look(lambda: next(pieces, end), decode_content)
            if data is end:
                self.exchange.end()
                return
            yield data


@cache
def _watched_class(kind: type[Any]) -> type[Any]:
    """Return the class of responses that are looked at; by name and instance checks it is the original."""
    methods = {name: wrap(getattr(kind, name)) for name, wrap in _WRAPS.items() if hasattr(kind, name)}
    return type(kind.__name__, (kind,), methods | {"__module__": kind.__module__, "__qualname__": kind.__qualname__})


def _read(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def read(self: Any, amt: int | None = None, decode_content: bool | None = None, *args: Any, **options: Any) -> Any:  # noqa: FBT001 - urllib3's own signature
        tap: _Tap = self._tokentrail
        data = tap.look(lambda: original(self, amt, decode_content, *args, **options), decode_content)
        if not tap.inside and (amt is None or amt < 0 or (not data and amt)):
            tap.exchange.end()
        return data

    return read


def _read1(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def read1(self: Any, amt: int | None = None, decode_content: bool | None = None) -> Any:  # noqa: FBT001 - urllib3's own
        tap: _Tap = self._tokentrail
        data = tap.look(lambda: original(self, amt, decode_content), decode_content)
        if not tap.inside and not data and amt != 0:
            tap.exchange.end()
        return data

    return read1


def _readinto(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def readinto(self: Any, buffer: Any) -> int:
        tap: _Tap = self._tokentrail
        outermost = not tap.inside
        count: int = tap.look(lambda: original(self, buffer), None, seen=lambda read: bytes(buffer[:read]))
        if outermost and not count and len(buffer):
            tap.exchange.end()
        return count

    return readinto


def _stream(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def stream(self: Any, amt: int | None = 65_536, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: FBT001 - urllib3's own
        tap: _Tap = self._tokentrail
        return tap.pass_on(original(self, amt, decode_content), decode_content)

    return stream


def _read_chunked(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def read_chunked(self: Any, amt: int | None = None, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: FBT001 - urllib3's own
        tap: _Tap = self._tokentrail
        pieces: Iterator[bytes] = original(self, amt, decode_content)
        return pieces if tap.inside else tap.pass_on(pieces, decode_content)

    return read_chunked


def _close(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def close(self: Any) -> None:
        tap: _Tap = self._tokentrail
        try:
            original(self)
        finally:
            if not tap.inside:  # urllib3 closes what it has read to its end, before it hands over the rest
                tap.exchange.abandon()

    return close


_WRAPS: Final = {
    "read": _read,
    "read1": _read1,
    "readinto": _readinto,
    "stream": _stream,
    "read_chunked": _read_chunked,
    "close": _close,
}
