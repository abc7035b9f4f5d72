"""The redactor: personal data and credentials in a text give way to the names of their kinds."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from tokentrail.errors import RedactionError
from tokentrail.producers.redaction.kinds import Finding, placeholder

_MOST_PASSES: Final = 4
"""A text is gone through again while something is found: a replacement can bring to light what stood beside it."""


class Redacted(NamedTuple):
    """A text without what was found, and how many findings there were of each kind."""

    text: str
    counts: dict[str, int]


class Redactor:
    """Replaces e-mail addresses, phone and card numbers, IBANs, national ids, IP addresses and credentials.

    `extra` are patterns of one's own in RE2's syntax, by name; the name becomes the kind. Where findings overlap, one
    placeholder stands for them all. Raises SettingsError for a bad pattern or name. Thread-safe; nothing blocks.
    """

    def __init__(self, extra: Mapping[str, str] | None = None) -> None:
        self._find_own: Callable[[bytes], list[Finding]] | None = None
        if extra:
            from tokentrail.producers.redaction.own_patterns import own_finder

            self._find_own = own_finder(extra)
        self._pattern: Any = None

    def redact(self, text: str) -> Redacted:
        """Return the text with `[kind]` in place of each finding. Linear in the text; twice gives the same as once.

        Lone surrogates become `?`. Raises RedactionError and nothing else; the text must then not be kept.
        """
        try:
            return self._redact(text)
        except Exception as error:  # noqa: BLE001 - whatever fails, the text is not to be kept
            # The message may quote the text, and so may the error itself: neither goes on.
            raise RedactionError(
                f"A text could not be redacted ({type(error).__name__}); leave the text out. "
                "If google-re2 is missing, install it."
            ) from None

    def _redact(self, text: str) -> Redacted:
        encoded = text.encode("utf-8", "replace")
        counts: Counter[str] = Counter()
        for _ in range(_MOST_PASSES):
            findings = self._find(encoded)
            if not findings:
                break
            counts.update(finding.kind for finding in findings)
            encoded = replaced(encoded, findings)
        if not counts and len(encoded) >= len(text):
            return Redacted(encoded.decode(), {})
        return Redacted(encoded.decode("utf-8", "replace"), dict(counts))

    def find(self, encoded: bytes) -> list[Finding]:
        """Return what one pass over a text in UTF-8 finds, in order and not overlapping."""
        return self._find(encoded)

    def _find(self, encoded: bytes) -> list[Finding]:
        from tokentrail.producers.redaction import finder
        from tokentrail.producers.redaction.scan import merge, scan

        found = scan(encoded, finder.everything())
        return merge(found, self._find_own(encoded)) if self._find_own else found


def replaced(encoded: bytes, findings: list[Finding], replacement: str | None = None) -> bytes:
    """Return the bytes with a placeholder, or the replacement, in each finding's place."""
    pieces: list[bytes] = []
    last = 0
    for start, end, kind in findings:
        pieces += (encoded[last:start], (replacement or placeholder(kind)).encode())
        last = end
    pieces.append(encoded[last:])
    return b"".join(pieces)
