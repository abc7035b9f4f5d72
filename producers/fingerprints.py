"""Keyed fingerprints: say that two keys or two requests are the same, and never what they are."""

import hmac
import os
import secrets
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from tokentrail.settings import current_settings

_HINT_TAIL_CHARS: Final = 4
_HINT_MIN_CHARS: Final = 20
"""Of a key shorter than this nothing is shown but its prefix: four characters would be too much of it."""
_BLOCK_BYTES: Final = 64
_CONTENT_HEX_CHARS: Final = 32
"""128 bits: collisions stay out of reach, and the column half as large."""
KEY_PREFIXES: Final = (
    "sk-or-v1-", "sk-ant-", "sk-proj-", "sk-svcacct-", "sk-admin-", "sk-", "xai-", "gsk_", "pplx-", "AIza", "hf_",
    "nvapi-", "r8_", "fw_", "tgp_v1_", "csk-",
)  # fmt: skip
"""How well-known providers' keys begin; longest match first."""


class Fingerprints:
    """HMAC-SHA256 (RFC 2104) under one pepper. Values read `hmac1:<pepper id>:<hex>`; other peppers give other values.

    What depends on the pepper alone is hashed once: OpenSSL's own HMAC takes three times as long to begin.
    """

    def __init__(self, pepper: bytes) -> None:
        self._inner, self._outer = _begin(pepper)
        self._form = f"hmac1:{hmac.digest(pepper, b'pepper-id:v1', 'sha256').hex()[:8]}:"
        self._answers = self._inner.copy()
        self._answers.update(b"response:v1:")

    def key_id(self, key: str) -> str:
        """Return the fingerprint of an API key."""
        digest = self._inner.copy()
        digest.update(b"apikey:v1:" + key.encode(errors="replace"))
        return self._form + _end(digest, self._outer)

    def request_hash(self, endpoint: bytes, body: bytes) -> str:
        """Return the fingerprint of a request: equal for the same body sent to the same path."""
        digest = self._inner.copy()
        digest.update(b"request:v1:%b\0" % endpoint)
        digest.update(body)
        return self._form + _end(digest, self._outer)[:_CONTENT_HEX_CHARS]

    def response_hash(self) -> "ContentHash":
        """Return a running fingerprint, to be fed with the answer as it comes."""
        return ContentHash(self._form, self._answers.copy(), self._outer)


class ContentHash:
    """The fingerprint of bytes that come in pieces."""

    __slots__ = ("_digest", "_form", "_outer", "update")

    def __init__(self, form: str, digest: Any, outer: Any) -> None:
        self._form = form
        self._digest = digest
        self._outer = outer
        self.update = digest.update

    def value(self) -> str:
        """Return the fingerprint of all that was fed so far."""
        return self._form + _end(self._digest, self._outer)[:_CONTENT_HEX_CHARS]


def _begin(key: bytes) -> tuple[Any, Any]:
    """Return the inner and the outer hash of an HMAC, fed with the key and nothing else."""
    block = (sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    return sha256(bytes(byte ^ 0x36 for byte in block)), sha256(bytes(byte ^ 0x5C for byte in block))


def _end(inner: Any, outer: Any) -> str:
    digest = outer.copy()
    digest.update(inner.digest())
    ended: str = digest.hexdigest()
    return ended


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
