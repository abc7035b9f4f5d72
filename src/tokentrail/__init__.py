"""Tokentrail: the audit trail of your LLM calls. See https://peps.python.org/pep-0562/ for the lazy names below."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokentrail.errors import TokentrailError
    from tokentrail.processors.alert_feed import alerts, watch_alerts
    from tokentrail.processors.alert_marks import DeliveredAlert
    from tokentrail.producers.audited import audited, call, current_call
    from tokentrail.producers.context import context
    from tokentrail.producers.httpx_client import async_httpx_client, httpx_client
    from tokentrail.producers.middleware.asgi import ASGIMiddleware
    from tokentrail.producers.middleware.wsgi import WSGIMiddleware
    from tokentrail.producers.outlets import add_outlets
    from tokentrail.producers.propagation import propagate
    from tokentrail.producers.retry import Retries, retrying
    from tokentrail.producers.shims.install import install, uninstall
    from tokentrail.producers.trail import flush, stats

__all__ = [
    "ASGIMiddleware",
    "DeliveredAlert",
    "Retries",
    "TokentrailError",
    "WSGIMiddleware",
    "__version__",
    "add_outlets",
    "alerts",
    "async_httpx_client",
    "audited",
    "call",
    "context",
    "current_call",
    "flush",
    "httpx_client",
    "install",
    "propagate",
    "retrying",
    "stats",
    "uninstall",
    "watch_alerts",
]

__version__ = "0.1.0"

_HOME = {
    "TokentrailError": "tokentrail.errors",
    "DeliveredAlert": "tokentrail.processors.alert_marks",
    "alerts": "tokentrail.processors.alert_feed",
    "watch_alerts": "tokentrail.processors.alert_feed",
    "ASGIMiddleware": "tokentrail.producers.middleware.asgi",
    "WSGIMiddleware": "tokentrail.producers.middleware.wsgi",
    "Retries": "tokentrail.producers.retry",
    "audited": "tokentrail.producers.audited",
    "add_outlets": "tokentrail.producers.outlets",
    "current_call": "tokentrail.producers.audited",
    "flush": "tokentrail.producers.trail",
    "stats": "tokentrail.producers.trail",
    "retrying": "tokentrail.producers.retry",
    "call": "tokentrail.producers.audited",
    "install": "tokentrail.producers.shims.install",
    "propagate": "tokentrail.producers.propagation",
    "uninstall": "tokentrail.producers.shims.install",
    "context": "tokentrail.producers.context",
    "httpx_client": "tokentrail.producers.httpx_client",
    "async_httpx_client": "tokentrail.producers.httpx_client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tokentrail' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
