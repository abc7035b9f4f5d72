"""Keeps API keys out of every event: the call's own key wherever it turns up, and whatever looks like one."""

from typing import Any, Final

import msgspec

from tokentrail.producers.fingerprints import key_hint
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
    """Return whether one of the given keys stands in the JSON; about 0.2 µs a kilobyte."""
    return any(len(secret) >= _MIN_SECRET_CHARS and msgspec.json.encode(secret)[1:-1] in encoded for secret in secrets)


def scrub_part(part: msgspec.Struct, secrets: tuple[str, ...]) -> None:
    """Replace the given keys in every text of a call or an outcome, in place."""
    known = tuple(secret for secret in secrets if len(secret) >= _MIN_SECRET_CHARS)
    if not known:
        return
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if value is None or isinstance(value, (bool, int, float)):
            continue
        scrubbed = _scrub_value(value, known)
        if scrubbed is not value:
            setattr(part, name, scrubbed)


def _scrub_value(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return scrub_own_keys(value, secrets)
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
