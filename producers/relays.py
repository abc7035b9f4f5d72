"""Addresses that the user gives a provider's name: relays, gateways, model servers of one's own."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from tokentrail.errors import SettingsError

_HOST: Final = re.compile(r"[\w.:\-]+")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def read_relays(relays: Mapping[str, str] | None) -> dict[str, str]:
    """Return names by `host` or `host:port`, from `{"holysheep": "https://api.holysheep.ai/v1"}`.

    A URL with a port stands for that port alone; one without for the host, whatever the port. The scheme may be left
    out.

    Raises:
        SettingsError: names the relay whose address has no host.
    """
    if relays is not None and not isinstance(relays, Mapping):
        raise SettingsError(f'`relays` is {relays!r}; write it as {{"my-relay": "https://host/v1"}}.')
    found: dict[str, str] = {}
    for name, address in (relays or {}).items():
        parts = urlsplit(address if "://" in address else f"//{address}")
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or not _HOST.fullmatch(host) or host in _DEFAULT_PORTS:  # "http//host" lacks its colon
            raise SettingsError(
                f"The relay {name!r} has the address {address!r}, which names no host; "
                f'write it as {{"{name}": "https://host/v1"}}.'
            )
        found[host if port is None else f"{host}:{port}"] = name
        if port is not None and port == _DEFAULT_PORTS.get(parts.scheme):
            found[f"{host}:None"] = name  # httpx leaves out the port that goes without saying
    return found
