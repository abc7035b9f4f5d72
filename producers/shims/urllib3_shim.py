"""urllib3, and so requests and botocore, which send everything through it."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from tokentrail.producers.guard import guarded
from tokentrail.producers.shims.patch import Patch, patch_method
from tokentrail.producers.shims.urllib3_response import watch_response
from tokentrail.producers.strictness import require_record
from tokentrail.producers.suppression import recording

if TYPE_CHECKING:
    from collections.abc import Callable

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
    watch_response(response, exchange)
