"""Keyed fingerprints: say that two keys or two requests are the same, and never what they are."""

import hmac
import os
import secrets
from functools import cache
from pathlib import Path
from typing import Final

from tokentrail.settings import current_settings

_HINT_TAIL_CHARS: Final = 4
_HINT_MIN_CHARS: Final = 20
"""Of a key shorter than this nothing is shown but its prefix: four characters would be too much of it."""
_CONTENT_HEX_CHARS: Final = 32
"""128 bits: collisions stay out of reach, and the column half as large."""
KEY_PREFIXES: Final = (
    "sk-or-v1-", "sk-ant-", "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-", "xai-", "gsk_", "pplx-", "AIza", "hf_",
    "nvapi-", "r8_", "fw_", "tgp_v1_", "csk-",
)  # fmt: skip
"""How well-known providers' keys begin; longest match first."""


class Fingerprints:
    """HMAC-SHA256 under one pepper. Values read `hmac1:<pepper id>:<hex>`; values of other peppers differ."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper
        pepper_id = hmac.digest(pepper, b"pepper-id:v1", "sha256").hex()[:8]
        self._form = f"hmac1:{pepper_id}:"

    def key_id(self, key: str) -> str:
        """Return the fingerprint of an API key."""
        return self._form + hmac.digest(self._pepper, b"apikey:v1:" + key.encode(errors="replace"), "sha256").hex()

    def request_hash(self, endpoint: bytes, body: bytes) -> str:
        """Return the fingerprint of a request: equal for the same body sent to the same path."""
        digest = hmac.new(self._pepper, b"request:v1:" + endpoint + b"\0", "sha256")
        digest.update(body)
        return self._form + digest.hexdigest()[:_CONTENT_HEX_CHARS]

    def response_hash(self) -> "ContentHash":
        """Return a running fingerprint, to be fed with the answer as it comes."""
        return ContentHash(self._form, self._pepper)


class ContentHash:
    """The fingerprint of bytes that come in pieces."""

    def __init__(self, form: str, pepper: bytes) -> None:
        self._form = form
        self._digest = hmac.new(pepper, b"response:v1:", "sha256")
        self.update = self._digest.update

    def value(self) -> str:
        """Return the fingerprint of all that was fed so far."""
        return self._form + self._digest.hexdigest()[:_CONTENT_HEX_CHARS]


def key_hint(key: str) -> str:
    """Return what people may see of a key: a well-known prefix and the last four characters."""
    prefix = next((known for known in KEY_PREFIXES if key.startswith(known)), "")
    tail = key[-_HINT_TAIL_CHARS:] if len(key) >= _HINT_MIN_CHARS else ""
    return f"{prefix}…{tail}"


@cache
def default_fingerprints() -> Fingerprints:
    """Return this process's fingerprints: the setting `key_pepper`, else one kept in the user's configuration.

    Where nothing can be kept, a random pepper serves this process alone.
    """
    configured = current_settings().key_pepper
    return Fingerprints(configured.encode() if configured else _kept_pepper(_pepper_path()))


def _pepper_path() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path("~/.config").expanduser()) / "tokentrail" / "pepper"


def _kept_pepper(path: Path) -> bytes:
    fresh = secrets.token_hex(32).encode()
    try:
        if not path.exists():
            _keep(path, fresh)
        return path.read_bytes().strip() or fresh
    except (OSError, RuntimeError):  # no home, not ours to write, disk full
        return fresh


def _keep(path: Path, pepper: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"pepper.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pepper)
        # A link appears whole or not at all, and fails where another process was first: its pepper is then read.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
