"""Tokentrail: the audit trail of your LLM calls. See https://peps.python.org/pep-0562/ for the lazy names below."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokentrail.errors import TokentrailError
    from tokentrail.producers.context import context
    from tokentrail.producers.httpx_client import async_httpx_client, httpx_client

__all__ = ["TokentrailError", "__version__", "async_httpx_client", "context", "httpx_client"]

__version__ = "0.1.0"

_HOME = {
    "TokentrailError": "tokentrail.errors",
    "context": "tokentrail.producers.context",
    "httpx_client": "tokentrail.producers.httpx_client",
    "async_httpx_client": "tokentrail.producers.httpx_client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tokentrail' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
