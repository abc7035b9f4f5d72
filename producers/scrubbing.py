"""Keeps API keys out of every event: the call's own key wherever it turns up, and whatever looks like one."""

from functools import lru_cache
from typing import Any, Final

import msgspec

from tokentrail.producers.fingerprints import key_hint
from tokentrail.producers.redaction.metadata import holds_secret as looks_secret
from tokentrail.producers.redaction.metadata import redact_secrets

_MIN_SECRET_CHARS: Final = 8
"""Shorter "keys" (EMPTY, none, test) are placeholders; replacing them would garble ordinary words."""
REDACTED: Final = "[key removed]"


def scrub_text(text: str, secrets: tuple[str, ...]) -> str:
    """Return the text without the given keys, and what looks like a key, a bearer, a password or a private key.

    Never raises; of a text that cannot be gone through nothing is left but a note.
    """
    return redact_secrets(scrub_own_keys(text, secrets), REDACTED)


def holds_secret(encoded: bytes, secrets: tuple[str, ...]) -> bool:
    """Return whether one of the given keys, or what looks like a credential, stands in the JSON; about 2 µs a KB."""
    for needle in needles(secrets):
        if needle in encoded:
            return True
    return looks_secret(encoded)


def scrub_part(part: msgspec.Struct, secrets: tuple[str, ...]) -> None:
    """Replace the given keys, and what looks like a credential, in every text of a call or an outcome, in place."""
    known = tuple(secret for secret in secrets if len(secret) >= _MIN_SECRET_CHARS)
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if value is None or isinstance(value, (bool, int, float)):
            continue
        scrubbed = _scrub_value(value, known)
        if scrubbed is not value:
            setattr(part, name, scrubbed)


def _scrub_value(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return redact_secrets(scrub_own_keys(value, secrets), REDACTED)
    if isinstance(value, dict):
        return {_scrub_value(key, secrets): _scrub_value(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrub_value(item, secrets) for item in value]
    return value


def scrub_own_keys(text: str, secrets: tuple[str, ...]) -> str:
    """Return the text with each of the given keys replaced by its hint."""
    for secret in secrets:
        if len(secret) >= _MIN_SECRET_CHARS and secret in text:
            text = text.replace(secret, f"[key {key_hint(secret)}]")
    return text


@lru_cache(maxsize=64)
def needles(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return the keys as they stand in JSON; a client seldom changes its key."""
    return tuple(msgspec.json.encode(secret)[1:-1] for secret in secrets if len(secret) >= _MIN_SECRET_CHARS)
