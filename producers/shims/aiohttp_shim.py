"""aiohttp: every request of a `ClientSession`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Final

from tokentrail.producers.form_outline import fields_outline
from tokentrail.producers.guard import guarded
from tokentrail.producers.shims.patch import Patch, patch_method
from tokentrail.producers.strictness import require_record_async
from tokentrail.producers.suppression import recording_here, suppressed
from tokentrail.producers.transport import whole_decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokentrail.producers.capture import Capture
    from tokentrail.producers.exchange import Exchange
    from tokentrail.producers.transport import CaptureOf

_STARTING: Final = guarded("recording the start of a call")
_WATCHING: Final = guarded("watching an answer")
_watched: Final[dict[int, Exchange]] = {}
"""Bodies that are looked at, by identity: their class has no room for an attribute, nor for a weak reference."""


def patch_aiohttp(module: Any, capture_of: CaptureOf) -> list[Patch]:
    """Record requests, and notice answers that are closed before their end."""
    response = module.ClientResponse
    return [
        patch_method(module.ClientSession, "_request", lambda request: _record(request, capture_of)),
        patch_method(response, "close", _abandon_first),
        patch_method(response, "release", _abandon_first),
    ]


def _record(request: Callable[..., Any], capture_of: CaptureOf) -> Callable[..., Any]:
    @wraps(request)
    async def recorded(self: Any, method: str, str_or_url: Any, **options: Any) -> Any:
        capture, url = _capture_for(self, str_or_url, capture_of)
        if capture is None:
            return await request(self, method, str_or_url, **options)
        options = _encoded(self, options)
        exchange = _begin(self, method, url, options, capture)
        if capture.strict:
            await require_record_async(exchange)
        if exchange is None:
            return await request(self, method, str_or_url, **options)
        with recording_here():
            try:
                response = await request(self, method, str_or_url, **options)
            except BaseException as error:
                _fail(exchange, error)
                raise
        with _WATCHING:
            _watch(response, exchange, decoded=_decompresses(self, options))
        return response

    return recorded


def _capture_for(session: Any, str_or_url: Any, capture_of: CaptureOf) -> tuple[Capture | None, Any]:
    if suppressed():
        return None, None
    with _STARTING:
        url = session._build_url(str_or_url)  # noqa: SLF001 - resolves a relative URL as the request itself will
        return capture_of(url.host, url.port), url
    return None, None


def _begin(session: Any, method: str, url: Any, options: dict[str, Any], capture: Capture) -> Exchange | None:
    with _STARTING:
        target = url.update_query(options["params"]) if options.get("params") else url
        headers = [*session.headers.items(), *dict(options.get("headers") or {}).items()]
        return capture.begin(
            method, url.host, url.port, target.raw_path_qs.encode("latin-1", "replace"), headers, _body(options)
        )
    return None


def _encoded(session: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with the JSON encoded, by the session's own function: what is sent is encoded once."""
    json = options.get("json")
    if json is None or options.get("data") is not None:
        return options
    try:
        payload: Any = sys.modules["aiohttp.payload"]
        to_bytes = getattr(session, "_json_serialize_bytes", None)  # from 3.14 on
        data = (
            payload.JsonPayload(json, dumps=session._json_serialize)  # noqa: SLF001 - as the request itself does
            if to_bytes is None
            else payload.JsonBytesPayload(json, dumps=to_bytes)
        )
    except Exception:  # noqa: BLE001 - the request meets the same, and tells it
        return options
    return {**options, "json": None, "data": data}


def _body(options: dict[str, Any]) -> bytes | None:
    data = options.get("data")
    if isinstance(data, str):
        return data.encode("utf-8", "replace")
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    value = getattr(data, "_value", None)  # of a payload in memory
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    fields = _fields_of(data)
    return fields_outline(fields) if fields else None


def _fields_of(data: Any) -> list[tuple[Mapping[str, Any], Any]]:
    """Return the fields of a form, or of the mapping that the request will make one of."""
    if isinstance(data, Mapping):
        return [({"name": name}, value) for name, value in data.items()]
    fields = getattr(data, "_fields", None)
    return [(options, value) for options, _, value in fields] if isinstance(fields, list) else []


def _fail(exchange: Exchange, error: BaseException) -> None:
    with _WATCHING:
        headers = getattr(error, "headers", None)
        if type(error).__name__ == "ClientResponseError" and headers is not None:  # `raise_for_status`: it was answered
            exchange.answered(error.status, list(headers.items()), decoded=True)  # type: ignore[attr-defined] # its own
    exchange.fail(error)


def _decompresses(session: Any, options: dict[str, Any]) -> bool:
    asked = options.get("auto_decompress")
    return bool(getattr(session, "_auto_decompress", True) if asked is None else asked)


def _watch(response: Any, exchange: Exchange, *, decoded: bool) -> None:
    headers = list(response.headers.items())
    exchange.answered(response.status, headers, decoded=decoded, decode_whole=None if decoded else _whole_decoder())
    content = response.content
    kind: Any = sys.modules["aiohttp.streams"].StreamReader
    plain = type(content) is kind and hasattr(kind, "_read_nowait_chunk")
    if not plain:
        exchange.end()  # there is no body, or none that can be looked at
        return
    content.__class__ = _watched_reader(kind)
    _watched[id(content)] = exchange
    if content.at_eof():
        _end(content)


def _whole_decoder() -> Callable[[bytes, str], bytes] | None:
    """Return the decoding of the httpx above: who asks aiohttp for encoded bodies is a transport of one."""
    library = sys.modules.get("httpx2") or sys.modules.get("httpx")
    answer = getattr(library, "Response", None)
    return None if answer is None else whole_decoder(answer)


def _end(content: Any) -> None:
    exchange = _watched.pop(id(content), None)
    if exchange is not None:
        exchange.end()


def _abandon_first(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def closing(self: Any) -> Any:
        with _WATCHING:
            exchange = _watched.pop(id(self.content), None)
            if exchange is not None:
                exchange.abandon()
        return method(self)

    return closing


@cache
def _watched_reader(kind: Any) -> type[Any]:
    """Return the class of body that is looked at: every byte that is read leaves through one method."""

    class WatchedStreamReader(kind):  # type: ignore[misc] # whichever class this aiohttp has
        __slots__ = ()

        def _read_nowait_chunk(self, n: int) -> bytes:
            data: bytes = super()._read_nowait_chunk(n)
            exchange = _watched.get(id(self))
            if exchange is not None:
                exchange.chunk(data)
                if self.at_eof():
                    _end(self)
            return data

        def feed_eof(self) -> None:
            super().feed_eof()
            if self.at_eof():
                _end(self)

        def set_exception(self, exc: Any, *args: Any) -> None:
            super().set_exception(exc, *args)
            exchange = _watched.pop(id(self), None)
            if exchange is not None:
                exchange.fail(exc if isinstance(exc, BaseException) else exc())

        def __del__(self) -> None:
            exchange = _watched.pop(id(self), None)
            if exchange is not None:
                exchange.abandon()

    return WatchedStreamReader
