"""Alerts in words, for people."""

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tokentrail.processors.alert_marks import DeliveredAlert

ID_DIGITS: Final = 8
"""How much of an id people are shown; commands take the beginning of one."""
_FINGERPRINT: Final = re.compile(r"(hmac1:[0-9a-f]+:[0-9a-f]{8})[0-9a-f]{56}")


def readable(summary: str) -> str:
    """Shorten key fingerprints: people tell keys apart by the first digits; `--json` has them whole."""
    return _FINGERPRINT.sub(r"\1…", summary)


def note_of(delivered: "DeliveredAlert") -> str:
    """Say who has taken an alert on, and what silences it."""
    parts = [f"acknowledged by {delivered.acknowledged_by}"] if delivered.acknowledged_by else []
    if delivered.silenced_by:
        parts.append(f"silenced by {', '.join(delivered.silenced_by)}")
    return "; ".join(parts)


def as_document(delivered: "DeliveredAlert") -> dict[str, Any]:
    """Return the alert's fields and what is known of it beside them, for JSON."""
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(delivered.alert)
    document["detected_at"] = delivered.detected_at.isoformat().replace("+00:00", "Z")
    document["delay_ms"] = delivered.delay_ms
    document["acknowledged_by"] = delivered.acknowledged_by
    document["silenced_by"] = list(delivered.silenced_by)
    return document
