"""`tokentrail.install()`: records the LLM calls of this process, whatever library makes them."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final, Literal

from tokentrail.errors import SettingsError
from tokentrail.producers.captures import ContentName, capture, known_relays
from tokentrail.producers.guard import guarded
from tokentrail.producers.process_end import flush_before_os_exit
from tokentrail.producers.providers import provider_of
from tokentrail.producers.shims.aiohttp_shim import patch_aiohttp
from tokentrail.producers.shims.httpx_shim import patch_httpx
from tokentrail.producers.shims.import_hook import ImportHook
from tokentrail.producers.shims.urllib3_shim import patch_urllib3
from tokentrail.producers.trail import default_scribe, name_service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tokentrail.producers.capture import Capture
    from tokentrail.producers.recorder import Recorder
    from tokentrail.producers.shims.patch import Patch
    from tokentrail.producers.transport import CaptureOf

Library = Literal["httpx2", "httpx", "urllib3", "aiohttp"]
_PATCHES: Final[dict[str, Callable[[Any, CaptureOf], list[Patch]]]] = {
    "httpx2": patch_httpx,
    "httpx": patch_httpx,
    "urllib3": patch_urllib3,
    "aiohttp": patch_aiohttp,
}
_PATCHING: Final = guarded("recording an HTTP library")
_KNOWN_ADDRESSES: Final = 4_096


class Installation:
    """What is installed in this process. There is one, `_installed`; installing again replaces its options."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._capture: Capture | None = None
        self._relays: dict[str, str] = {}
        self._known: dict[tuple[str, int | None], Capture | None] = {}
        self._libraries: tuple[str, ...] = ()
        self._hook = ImportHook(self._on_import)
        self._patches: dict[str, list[Patch]] = {}
        self._undo_exit: Callable[[], None] | None = None

    def capture_of(self, host: str, port: int | None) -> Capture | None:
        """Return what records requests to this address: known providers and named relays, and nothing else."""
        address = (host, port)
        try:
            return self._known[address]
        except KeyError:
            return self._find(address)

    def begin(self, made: Capture, relays: dict[str, str], libraries: tuple[str, ...]) -> None:
        """Record with this capture from now on; libraries that are not imported yet follow when they are."""
        with self._lock:
            self._capture, self._relays, self._known = made, relays, {}
            self._libraries = libraries
            for name in set(self._patches) - set(libraries):
                self._undo(name)
            self._undo_exit = self._undo_exit or flush_before_os_exit(default_scribe().flush_what_waits)
            for name in libraries:
                if name in sys.modules:
                    self._patch(sys.modules[name])
                else:
                    self._hook.watch(name)

    def end(self) -> None:
        """Record nothing any more, and put the libraries' own methods back."""
        with self._lock:
            self._capture, self._known = None, {}
            for name in tuple(self._patches):
                self._undo(name)
            if self._undo_exit is not None:
                self._undo_exit()
                self._undo_exit = None

    def _find(self, address: tuple[str, int | None]) -> Capture | None:
        host, port = address
        known = self._known  # before anything else is looked at: `begin` in another thread replaces it last
        named = f"{host}:{port}" in self._relays or host in self._relays
        found = self._capture if named or provider_of(host, port) is not None else None
        if len(known) < _KNOWN_ADDRESSES:
            known[address] = found
        return found

    def _on_import(self, module: Any) -> None:
        with self._lock:
            if self._capture is not None and module.__name__ in self._libraries:
                self._patch(module)

    def _undo(self, name: str) -> None:
        for patch in self._patches.pop(name):
            patch.undo()

    def _patch(self, module: Any) -> None:
        if module.__name__ not in self._patches:
            with _PATCHING:
                self._patches[module.__name__] = _PATCHES[module.__name__](module, self.capture_of)


_installed: Final = Installation()


def install(  # noqa: PLR0913 - keywords only
    service: str | None = None,
    *,
    environment: str | None = None,
    relays: Mapping[str, str] | None = None,
    content: ContentName | None = None,
    libraries: tuple[Library, ...] = ("httpx2", "httpx", "urllib3", "aiohttp"),
    recorder: Recorder | None = None,
    **labels: str,
) -> None:
    """Record every LLM call that this process makes through httpx2, httpx, urllib3, requests, botocore or aiohttp.

    Only requests to known LLM providers are touched, and to `relays`, which gives addresses of your own their
    provider's name: `{"holysheep": "https://api.holysheep.ai/v1"}`. `content` is what is kept of prompts and answers:
    nothing ("off", the default), 200 characters ("preview") or all ("full") of the redacted text. `labels` are
    defaults for `tokentrail.context`, which goes before them: user_id, session_id, department, feature,
    request_source. What is not given comes from the settings.

    Libraries that are imported later are recorded from then on. Installing again replaces the options. Nothing of a
    call waits for this, and nothing that goes wrong in it reaches a call.

    Raises:
        SettingsError: an address, a library, `content` or a setting cannot be used; what was installed stays as it is.
        TypeError: there is no such label.
    """
    unknown = [name for name in libraries if name not in _PATCHES]
    if unknown:
        raise SettingsError(f"libraries names {unknown[0]!r}; there are {', '.join(_PATCHES)}.")
    made = capture(
        service=service, environment=environment, relays=relays, content=content, recorder=recorder, **labels
    )
    name_service(service, environment)
    _installed.begin(made, known_relays(relays), libraries)


def uninstall() -> None:
    """Stop recording, and put the libraries' own methods back. Answers that are being read are still recorded."""
    _installed.end()
