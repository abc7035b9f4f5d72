"""Clients for `openai.OpenAI(http_client=…)` and every SDK like it, which record what goes through them."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, cast

from tokentrail.errors import SettingsError
from tokentrail.producers.captures import capture
from tokentrail.producers.retry import retrying
from tokentrail.producers.transport import wrap_transport

if TYPE_CHECKING:
    import httpx2

_LIBRARIES: Final = ("httpx2", "httpx")
_TIMEOUT_S: Final = {"connect": 10.0, "read": 120.0, "write": 30.0, "pool": 10.0}
_LIMITS: Final = {"max_connections": 1000, "max_keepalive_connections": 100}
"""As the openai SDK's own client has them."""


def httpx_client(**options: Any) -> httpx2.Client:
    """Return a client for `openai.OpenAI(http_client=…)` that records every call; nothing else about it is special.

    Takes what `capture()` takes, `library` ("httpx2" or "httpx"; by default the one the installed openai SDK uses) and,
    besides, everything the library's own `Client` takes. Timeouts, where not given: connect 10 s, read 120 s, write
    30 s, pool 10 s. `retries`, a number or `tokentrail.Retries`, tries again after passing failures; each attempt is an
    event of its own (give the SDK `max_retries=0`). Recording never raises into a call and never waits for the broker.

    Raises:
        SettingsError: neither httpx2 nor httpx is installed, `library` is neither, or retries are wanted and
            tenacity is not.
    """
    return cast("httpx2.Client", _recording_client("Client", options))


def async_httpx_client(**options: Any) -> httpx2.AsyncClient:
    """As `httpx_client`, for `openai.AsyncOpenAI(http_client=…)`."""
    return cast("httpx2.AsyncClient", _recording_client("AsyncClient", options))


def _recording_client(kind: str, options: dict[str, Any]) -> Any:
    own = {name: options.pop(name) for name in tuple(options) if name in _CAPTURE_OPTIONS}
    recording = capture(**own)
    retries = options.pop("retries", None)
    module = _load(options.pop("library", None) or _installed_library())
    options.setdefault("timeout", module.Timeout(**_TIMEOUT_S))
    options.setdefault("limits", module.Limits(**_LIMITS))
    options.setdefault("follow_redirects", True)
    client = getattr(module, kind)(**options)

    def wrap(transport: Any) -> Any:
        recorded = wrap_transport(transport, recording)
        return recorded if retries is None else retrying(recorded, retries)

    # Wrapped after construction: giving the client a transport would turn off its proxy settings.
    client._transport = wrap(client._transport)  # noqa: SLF001 - has no public name
    mounts = client._mounts  # noqa: SLF001 - has no public name
    for pattern, transport in mounts.items():
        mounts[pattern] = transport and wrap(transport)
    return client


def _load(library: str) -> Any:
    if library not in _LIBRARIES:
        raise SettingsError(f"library is {library!r}; it can be {' or '.join(_LIBRARIES)}.")
    try:
        return importlib.import_module(library)
    except ModuleNotFoundError as error:
        raise SettingsError(f"{library} is not installed; `pip install {library}`, or name another library.") from error


@cache
def _installed_library() -> str:
    from importlib.metadata import PackageNotFoundError, requires  # a fifth of this module's import time

    try:
        needed = requires("openai") or []
    except PackageNotFoundError:
        needed = []
    names = [
        "httpx2" if any(requirement.startswith("httpx2") for requirement in needed) else "httpx",
        "httpx2",
        "httpx",
    ]
    if not needed:
        names = names[1:]
    for name in names:
        if find_spec(name):
            return name
    raise SettingsError(
        "Neither httpx2 nor httpx is installed; `pip install httpx2`, or the openai SDK, which brings it."
    )


_CAPTURE_OPTIONS: Final = frozenset(capture.__kwdefaults__ or ())
