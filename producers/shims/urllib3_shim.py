"""urllib3, and so requests and botocore, which send everything through it."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tokentrail.producers.guard import guarded
from tokentrail.producers.shims.patch import Patch, patch_method
from tokentrail.producers.shims.urllib3_response import watch_response
from tokentrail.producers.strictness import require_record
from tokentrail.producers.suppression import recording_here, suppressed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tokentrail.producers.capture import Capture
    from tokentrail.producers.exchange import Exchange
    from tokentrail.producers.transport import CaptureOf

_STARTING: Final = guarded("recording the start of a call")
_WATCHING: Final = guarded("watching an answer")
_PORTS: Final = {"http": 80, "https": 443}


def patch_urllib3(module: Any, capture_of: CaptureOf) -> list[Patch]:
    """Record what goes through urllib3's connection pools. What urllib3 itself retries is one event."""
    pool = module.connectionpool.HTTPConnectionPool
    return [patch_method(pool, "urlopen", lambda urlopen: _record(urlopen, capture_of))]


def _record(urlopen: Callable[..., Any], capture_of: CaptureOf) -> Callable[..., Any]:
    @wraps(urlopen)
    def recorded(self: Any, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> Any:
        capture = _capture_for(self, url, capture_of)
        if capture is None:
            return urlopen(self, method, url, body, headers, **options)
        exchange = _begin(self, method, url, body, headers, capture)
        if capture.strict:
            require_record(exchange)
        if exchange is None:
            return urlopen(self, method, url, body, headers, **options)
        with recording_here():
            try:
                response = urlopen(self, method, url, body, headers, **options)
            except BaseException as error:
                exchange.fail(error)
                raise
        with _WATCHING:
            _watch(response, exchange, preloaded=options.get("preload_content", True))
        return response

    def urlopen_recorded(self: Any, method: str, url: str, *args: Any, **options: Any) -> Any:
        if len(args) > 2:  # noqa: PLR2004 - body and headers; nobody gives more by position, and we would not know it
            return urlopen(self, method, url, *args, **options)
        return recorded(self, method, url, *args, **options)

    return wraps(urlopen)(urlopen_recorded)


def _capture_for(pool: Any, url: str, capture_of: CaptureOf) -> Capture | None:
    if suppressed():
        return None
    with _STARTING:
        return capture_of(*_address(pool, url))
    return None


def _address(pool: Any, url: str) -> tuple[str, int | None]:
    """Return whom the request is for: a proxy of plain HTTP is asked for a whole URL, and the pool is the proxy's."""
    if url.startswith("/") or "://" not in url:
        return pool.host, pool.port
    parts = urlsplit(url)
    return parts.hostname or pool.host, parts.port or _PORTS.get(parts.scheme)


def _begin(pool: Any, method: str, url: str, body: Any, headers: Any, capture: Capture) -> Exchange | None:  # noqa: PLR0913, PLR0917 - as urlopen has them
    with _STARTING:
        target = url if url.startswith("/") else "/" + url.partition("://")[2].partition("/")[2]
        sent = headers if headers is not None else pool.headers
        host, port = _address(pool, url)
        return capture.begin(method, host, port, target.encode("latin-1", "replace"), list(sent.items()), _bytes(body))
    return None


def _bytes(body: Any) -> bytes | None:
    if isinstance(body, str):
        return body.encode("utf-8", "replace")
    return bytes(body) if isinstance(body, (bytes, bytearray)) else None


def _watch(response: Any, exchange: Exchange, *, preloaded: bool) -> None:
    retries = getattr(response, "retries", None)
    history = retries.history if retries is not None else ()
    exchange.retried = sum(1 for sent in history if not sent.redirect_location) or None
    headers = list(response.headers.items())
    if preloaded:
        exchange.answered(response.status, headers, decoded=bool(response.decode_content))
        exchange.chunk(response.data)
        exchange.end()
        return
    exchange.answered(response.status, headers, decoded=True)
    watch_response(response, exchange)
