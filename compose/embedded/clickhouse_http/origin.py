"""Origin: keeps web pages away from the engine; a browser on this machine reaches loopback for any page it shows."""

import ipaddress
import re
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from tokentrail.compose.embedded.clickhouse_http.failures import ClickHouseFailure, refusal

# What a browser says of requests that a page of another origin has caused; all browsers of today say it on loopback.
_FOREIGN_SITES = frozenset(("cross-site", "same-site"))
_HOST = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:]*))(?::\d+)?")


@web.middleware
async def refuse_web_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 to what `check_origin` refuses, before a byte of the body is read."""
    try:
        check_origin(request.headers)
    except ClickHouseFailure as failure:
        headers = {"X-ClickHouse-Exception-Code": str(failure.code), "Connection": "close"}
        return web.Response(status=failure.status, text=failure.text + "\n", headers=headers)
    return await handler(request)


def check_origin(headers: Mapping[str, str]) -> None:
    """Let a request of a program or of the engine's own origin pass, or refuse it.

    Raises:
        ClickHouseFailure: 497, another site's page sent it, or the name it was sent to is not a loopback one (a foreign
            name that leads to 127.0.0.1 would make a page's requests look like the engine's own).
    """
    host, origin = headers.get("Host"), headers.get("Origin")
    if host is not None and not _is_loopback(host):
        raise _denied(f"it answers to 127.0.0.1, [::1] and localhost only, not to the host '{host}'")
    if origin is not None and (host is None or origin.lower() != f"http://{host}".lower()):
        raise _denied(f"it answers no web page of another origin ('{origin}')")
    if headers.get("Sec-Fetch-Site", "").lower() in _FOREIGN_SITES:
        raise _denied("it answers no request that a web page of another origin has caused")


def _denied(reason: str) -> ClickHouseFailure:
    return refusal(497, "ACCESS_DENIED", f"The embedded engine serves the programs of this machine: {reason}.")


def _is_loopback(host: str) -> bool:
    found = _HOST.fullmatch(host)
    name = (found["v6"] or found["name"] or "") if found else ""
    try:
        return name.lower() == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
