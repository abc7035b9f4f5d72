"""What a web request says about who sent it: headers and the peer's address, as labels. Knows no server interface."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Final

_MAX_CHARS: Final = 500
"""As long as a label may be."""
SOURCES: Final = frozenset(("web", "mobile", "api", "internal"))
_MOBILE_APPS: Final = ("okhttp", "cfnetwork", "alamofire", "dart/", "dalvik")
_MOBILE_BROWSERS: Final = ("mobile", "android", "iphone", "ipad")
_BROWSER: Final = "mozilla/"
_TRACE_PARENT_PARTS: Final = 4
_TRACE_ID_CHARS: Final = 32
_HEX: Final = frozenset("0123456789abcdef")
_MAPPED: Final = "::ffff:"
_PRIVATE: Final = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
        "fc00::/7", "fe80::/10", "::1/128",
    )
)  # fmt: skip
"""RFC 1918, 6598, 3927, 4193, 4291. `is_private` of the standard library also holds for addresses in examples."""


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted_hops: int) -> str | None:
    """Return the address of the client behind `trusted_hops` proxies of one's own, each of which adds to the header.

    `forwarded_for` holds the values of X-Forwarded-For, in the order they came. What stands left of the trusted
    entries was written by whoever sent the request and is not looked at. A request that did not come through all those
    proxies, or an entry that is no address, leaves the peer.
    """
    if peer is not None and peer.startswith(_MAPPED) and "." in peer:  # IPv4 on a socket for both: one client, one name
        peer = peer.removeprefix(_MAPPED)
    if trusted_hops <= 0 or not forwarded_for:
        return peer
    entries = [entry.strip() for value in forwarded_for for entry in value.split(",")]
    if len(entries) < trusted_hops:
        return peer
    return _address(entries[-trusted_hops]) or peer


def request_source(named: str | None, user_agent: str | None, mobile_hint: str | None, *, internal: bool) -> str:
    """Return web, mobile, api or internal: as the request names it, else guessed.

    The guess: a browser is web, or mobile where it says so (Sec-CH-UA-Mobile, or the words of phones and tablets in
    its user agent); the HTTP libraries of mobile apps are mobile; everything else is a program, internal where
    `internal` holds and api elsewhere.
    """
    if named and named.strip().lower() in SOURCES:
        return named.strip().lower()
    agent = (user_agent or "").lower()
    if mobile_hint == "?1" or any(app in agent for app in _MOBILE_APPS):
        return "mobile"
    if agent.startswith(_BROWSER):
        return "mobile" if any(word in agent for word in _MOBILE_BROWSERS) else "web"
    return "internal" if internal else "api"


def is_private(address: str | None) -> bool:
    """Return whether the address is of a private network or this machine."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    return any(found in network for network in _PRIVATE)


def trace_of_parent(traceparent: str | None) -> str | None:
    """Return the trace id of a `traceparent` header, if it is valid (https://www.w3.org/TR/trace-context/)."""
    parts = (traceparent or "").strip().split("-")
    if len(parts) < _TRACE_PARENT_PARTS or len(parts[0]) != 2 or parts[0] == "ff":  # noqa: PLR2004 - a version is a byte
        return None
    trace_id = parts[1]
    if len(trace_id) != _TRACE_ID_CHARS or not _HEX.issuperset(trace_id) or trace_id == "0" * _TRACE_ID_CHARS:
        return None
    return trace_id


def client_labels(
    headers: Mapping[str, str], forwarded_for: Sequence[str], peer: str | None, *, source_header: str, trusted_hops: int
) -> dict[str, str | None]:
    """Return the labels that a request gives by itself. `headers` has lower-case names."""
    address = client_address(peer, forwarded_for, trusted_hops)
    user_agent = headers.get("user-agent")
    source = request_source(
        headers.get(source_header),
        user_agent,
        headers.get("sec-ch-ua-mobile"),
        # Behind proxies nobody told us of, every request would seem to come from within.
        internal=trusted_hops > 0 and is_private(address),
    )
    return {
        "ip_address": cut(address),
        "user_agent": cut(user_agent),
        "request_source": source,
        "trace_id": trace_of_parent(headers.get("traceparent")),
    }


def cut(value: object) -> str | None:
    """Return the value as a label: text, not too long; None for none or nothing."""
    text = "" if value is None else str(value).strip()
    return text[:_MAX_CHARS] or None


def _address(entry: str) -> str | None:
    """Return the address in an entry that may have a port: `1.2.3.4:80`, `[::1]:80`, `::1`."""
    bare = entry.strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ip_address(bare))
    except ValueError:
        return None
