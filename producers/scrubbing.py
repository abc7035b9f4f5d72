"""Keeps API keys out of every event: the call's own key wherever it turns up, and whatever looks like one."""

import re
from typing import Any, Final

import msgspec

from tokentrail.producers.fingerprints import KEY_PREFIXES, key_hint

_MIN_SECRET_CHARS: Final = 8
"""Shorter "keys" (EMPTY, none, test) are placeholders; replacing them would garble ordinary words."""
REDACTED: Final = "[key removed]"
_LOOKS_LIKE_KEY: Final = re.compile(
    r"(?:(?<![A-Za-z0-9])(?:" + "|".join(re.escape(prefix) for prefix in KEY_PREFIXES) + r")[A-Za-z0-9_\-*]{8,})"
    r"|(?:Bearer\s+[A-Za-z0-9._~+/\-]{8,}=*)"
    r"|(?:(?<=[?&])(?:key|api[-_]?key|access_token|token)=[^&\s\"']+)"
    r"|(?:(?<=://)[^/@\s]+@)",
    re.IGNORECASE,
)


def scrub_text(text: str, secrets: tuple[str, ...]) -> str:
    """Return the text without the given keys, and what looks like a key, a bearer or a URL's password."""
    return _LOOKS_LIKE_KEY.sub(REDACTED, _without(text, secrets))


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
        return _without(value, secrets)
    if isinstance(value, dict):
        return {_scrub_value(key, secrets): _scrub_value(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrub_value(item, secrets) for item in value]
    return value


def _without(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if len(secret) >= _MIN_SECRET_CHARS and secret in text:
            text = text.replace(secret, f"[key {key_hint(secret)}]")
    return text
