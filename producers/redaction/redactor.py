"""The redactor: personal data and credentials in a text give way to the names of their kinds."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tokentrail.errors import RedactionError
from tokentrail.producers.redaction.kinds import Finding, placeholder

if TYPE_CHECKING:
    from tokentrail.producers.redaction.engine import Search

_MOST_PASSES: Final = 4
"""Around a replacement is searched again while something is found: it can bring to light what stood beside it."""
_NEAR_BYTES: Final = 64
"""More than the words before a number that tell what it is."""


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

    def find(self, encoded: bytes) -> list[Finding]:
        """Return what one pass over a text in UTF-8 finds, in order and not overlapping."""
        scan, merge, finder = _loaded()
        found = scan(encoded, finder.everything())
        return merge(found, self._find_own(encoded)) if self._find_own else found

    def _redact(self, text: str) -> Redacted:
        encoded = text.encode("utf-8", "replace")
        counts: dict[str, int] = {}
        findings = self.find(encoded)
        for _ in range(_MOST_PASSES):
            if not findings:
                break
            for _start, _end, kind in findings:
                counts[kind] = counts.get(kind, 0) + 1
            encoded, places = replaced(encoded, findings)
            findings = self._find_near(encoded, places)
        return Redacted(encoded.decode("utf-8", "replace"), counts)

    def _find_near(self, encoded: bytes, places: list[int]) -> list[Finding]:
        _, _, finder = _loaded()
        return self.find(encoded) if self._find_own else find_near(encoded, finder.everything(), places)


@cache
def _loaded() -> tuple[Callable[..., list[Finding]], Callable[..., list[Finding]], Any]:
    """Return what reads a text; loaded by the first text, as few services keep any."""
    from tokentrail.producers.redaction import finder
    from tokentrail.producers.redaction.scan import merge, scan

    return scan, merge, finder


def replaced(encoded: bytes, findings: list[Finding], replacement: str | None = None) -> tuple[bytes, list[int]]:
    """Return the bytes with a placeholder, or the replacement, in each finding's place; and where these are."""
    pieces: list[bytes] = []
    places: list[int] = []
    last = length = 0
    for start, end, kind in findings:
        places.append(length + start - last)
        written = (replacement or placeholder(kind)).encode()
        pieces += (encoded[last:start], written)
        length += start - last + len(written)
        last = end
    pieces.append(encoded[last:])
    return b"".join(pieces), places


def find_near(encoded: bytes, suspect: "Search", places: list[int]) -> list[Finding]:
    """Return what is found around the places, in order."""
    scan, merge, _ = _loaded()
    findings: list[Finding] = []
    begin = stop = 0
    for place in places:
        if place - _NEAR_BYTES > stop:
            findings += scan(encoded, suspect, begin, stop)
            begin = place - _NEAR_BYTES
        stop = min(len(encoded), place + _NEAR_BYTES)
    findings += scan(encoded, suspect, begin, stop)
    return merge(findings, []) if findings else findings
