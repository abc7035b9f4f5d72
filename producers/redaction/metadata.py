"""Credentials in metadata: error messages, user agents, paths, labels, and events as they are about to leave."""

from typing import Final

from tokentrail.producers.redaction.kinds import EMAIL

UNSCANNED: Final = "[text removed]"
"""What stands for a text that could not be gone through."""
_MOST_PASSES: Final = 4


def holds_secret(encoded: bytes) -> bool:
    """Return whether an encoded event holds something like an API key, token, JWT, bearer, password or private key.

    About 2 µs a kilobyte where there is none. Never raises: what cannot be gone through counts as holding one.
    """
    try:
        from tokentrail.producers.redaction import finder
        from tokentrail.producers.redaction.scan import scan

        return any(finding.kind != EMAIL for finding in scan(encoded, finder.credentials()))
    except Exception:  # noqa: BLE001 - whatever fails here must neither reach the caller nor let a secret pass
        return True


def redact_secrets(text: str, replacement: str | None = None) -> str:
    """Return the text with `[kind]`, or `replacement`, in place of each credential; personal data stays.

    Never raises: of what cannot be gone through nothing is left but `[text removed]`.
    """
    try:
        return _without_secrets(text, replacement)
    except Exception:  # noqa: BLE001 - whatever fails here must neither reach the caller nor let a secret pass
        return UNSCANNED


def _without_secrets(text: str, replacement: str | None) -> str:
    from tokentrail.producers.redaction import finder
    from tokentrail.producers.redaction.redactor import find_near, replaced
    from tokentrail.producers.redaction.scan import scan

    pattern = finder.credentials()
    encoded = text.encode("utf-8", "replace")
    findings = scan(encoded, pattern)
    for _ in range(_MOST_PASSES):
        findings = [finding for finding in findings if finding.kind != EMAIL]
        if not findings:
            break
        encoded, places = replaced(encoded, findings, replacement)
        findings = find_near(encoded, pattern, places)
    return encoded.decode("utf-8", "replace")
