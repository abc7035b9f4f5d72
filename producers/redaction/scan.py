"""Goes through a text once and collects what the readers confirm of what the combined pattern suspects."""

import re
from collections.abc import Callable
from typing import Final

from tokentrail.producers.redaction.addresses import read_email, read_ip6
from tokentrail.producers.redaction.assignments import read_assignment
from tokentrail.producers.redaction.credentials import (
    read_private_key,
    read_query,
    read_scheme,
    read_userinfo,
)
from tokentrail.producers.redaction.engine import Search
from tokentrail.producers.redaction.kinds import Finding, place_after
from tokentrail.producers.redaction.lettered_ids import read_fiscal_code, read_lettered_id
from tokentrail.producers.redaction.numbers import read_number
from tokentrail.producers.redaction.phones import read_bracketed, read_international
from tokentrail.producers.redaction.vendor_keys import PREFIXES, read_bot_token, read_jwt, read_vendor_key

_Reader = Callable[[bytes, int], Finding | None]
_PERCENT, _AT, _DASH, _OPENING, _CLOSING = b"%@-[]"
_ESCAPES: Final = frozenset(b"\\%")
_ZERO, _NINE = b"09"
_LONGEST_WITH_AT_BYTES: Final = 9
"""An @ between two characters of four bytes."""
_HEAD_BYTES: Final = 3
_WORD: Final = re.compile(rb"\w*")


def scan(text: bytes, suspect: Search, begin: int = 0, stop: int | None = None) -> list[Finding]:
    """Return the findings in order, none overlapping another; those that are suspected from `begin` to `stop`.

    Linear in the text: every candidate is read within a bounded distance, or its bytes are passed over.
    """
    findings: list[Finding] = []
    place, length = begin, len(text) if stop is None else stop
    while True:
        start, end = suspect(text, place, length)
        if start < 0:
            return findings
        first = text[start]
        if first == _OPENING and text[end - 1] == _CLOSING:  # what was already replaced
            place = end
            continue
        is_escaped = first in _ESCAPES and text[start + 1] != _AT
        finding = _read_escaped(text, start, end) if is_escaped else _read(text, start, end)
        if finding.kind:
            _add(findings, finding)
        place = max(finding.end, start + 1)


def merge(found: list[Finding], more: list[Finding]) -> list[Finding]:
    """Return both in order; findings that overlap become one, of the kind that begins first, or is longer."""
    merged: list[Finding] = []
    for finding in sorted(found + more, key=lambda finding: (finding.start, -finding.end)):
        if finding.end > finding.start:
            _add(merged, finding)
    return merged


def _add(findings: list[Finding], finding: Finding) -> None:
    """Append; what overlaps becomes one, so that no half of a secret is left."""
    while findings and findings[-1].end > finding.start:
        last = findings.pop()
        finding = Finding(min(last.start, finding.start), max(last.end, finding.end), last.kind)
    findings.append(finding)


def _read_escaped(text: bytes, start: int, end: int) -> Finding:
    """Read a candidate that begins with an escape, or with a percent sign or a backslash that is none."""
    likelier, other = (1, 3) if text[start] == _PERCENT else (6 if text[start + 1] == ord("u") else 2, 1)
    finding = _read(text, start + likelier, end)
    return finding if finding.kind else _read(text, start + other, end)


def _read(text: bytes, start: int, end: int) -> Finding:
    first = text[start]
    if end - start <= _LONGEST_WITH_AT_BYTES and (at := text.find(b"@", start + 1, end)) > 0:
        return read_userinfo(text, at) or read_email(text, at)
    if _NINE >= first >= _ZERO:
        return _read_with_colon(text, start) if text.find(b":", start, end) >= 0 else read_number(text, start)
    reader = _BY_FIRST_BYTE.get(first)
    if reader is not None:
        finding = reader(text, start)
    else:
        finding = _read_dashes(text, start, end) if first == _DASH else _read_word(text, start, end)
    if finding is not None:
        return finding
    word = _WORD.match(text, start)
    return Finding(start, place_after(text, start, word.end() if word else 0), "")


def _read_word(text: bytes, start: int, end: int) -> Finding | None:
    by_head = _BY_HEAD.get(text[start : start + _HEAD_BYTES])
    if by_head is not None and (finding := by_head(text, start)):
        return finding
    if text[end - 2 : end] == b"::":
        return read_ip6(text, start)
    if text[end - 1] not in _SIGN_ENDS and _DIGIT.search(text, start, end):
        return read_lettered_id(text, start) or read_fiscal_code(text, start) or read_vendor_key(text, start)
    return read_assignment(text, start, end)


def _read_with_colon(text: bytes, start: int) -> Finding:
    found = read_bot_token(text, start) or read_ip6(text, start)
    return found or Finding(start, text.index(b":", start), "")


def _read_dashes(text: bytes, start: int, end: int) -> Finding | None:
    return read_private_key(text, start) or read_assignment(text, start + 2, end)


_BY_FIRST_BYTE: Final[dict[int, _Reader]] = {
    ord("+"): read_international,
    ord("("): read_bracketed,
    ord(":"): read_ip6,
    ord("?"): read_query,
    ord("&"): read_query,
    ord(";"): read_query,
}
_DIGIT: Final = re.compile(rb"[0-9]")
_SIGN_ENDS: Final = frozenset(b":=>")
_KEY_HEADS: Final = (*PREFIXES, "key-", "hooks", "discord", "AKIA", "ASIA", "ABIA", "ACCA")
_BY_HEAD: Final[dict[bytes, _Reader]] = {
    **dict.fromkeys((head[:_HEAD_BYTES].encode() for head in _KEY_HEADS), read_vendor_key),
    **dict.fromkeys((b"bea", b"Bea", b"BEA", b"bas", b"Bas", b"BAS"), read_scheme),
    **dict.fromkeys((f"SK{digit}".encode() for digit in "0123456789abcdef"), read_vendor_key),
    b"eyJ": read_jwt,
}
