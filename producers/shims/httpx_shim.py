"""httpx2 and httpx: every network transport of either, synchronous and asynchronous."""

from typing import Any

from tokentrail.producers.shims.patch import Patch, patch_method
from tokentrail.producers.transport import CaptureOf, record_async, record_sync


def patch_httpx(module: Any, capture_of: CaptureOf) -> list[Patch]:
    """Record what goes through `HTTPTransport` and `AsyncHTTPTransport` of httpx2 or httpx; both look the same."""
    return [
        patch_method(module.HTTPTransport, "handle_request", lambda handle: record_sync(handle, capture_of)),
        patch_method(
            module.AsyncHTTPTransport, "handle_async_request", lambda handle: record_async(handle, capture_of)
        ),
    ]
