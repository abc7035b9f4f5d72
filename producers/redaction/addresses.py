"""Addresses: e-mail (RFC 5321, as people write it) and IP."""

# ruff: noqa: PLR2004 - the numbers are lengths and ranges of published formats

import re
from functools import cache
from typing import Final

from tokentrail.producers.redaction.digit_runs import is_after_word, is_word_at
from tokentrail.producers.redaction.engine import Search, search_of
from tokentrail.producers.redaction.kinds import EMAIL, IP_ADDRESS, Finding

# Latin letters with accents are two bytes in UTF-8; of other scripts nothing is taken: words stand right beside there.
_LOCAL_BACKWARDS: Final = re.compile(rb"(?:[A-Za-z0-9%'+_.-]|[\x80-\xbf][\xc3-\xc9])*")
_LOCAL_LIMIT_BYTES: Final = 64
_LOCAL_TRIM: Final = re.compile(rb"[%'.]*")
_DOMAIN: Final = re.compile(
    rb"(?:(?:[A-Za-z0-9-]|[\xc3-\xc9][\x80-\xbf]){1,63}\.){1,8}([A-Za-z]{2,24}|xn--[A-Za-z0-9-]{2,59})(?![A-Za-z0-9])"
)
_FILE_ENDINGS: Final = frozenset(
    b"png jpg jpeg gif svg webp ico bmp css js mjs ts tsx jsx map json yml toml py rb go rs java html md csv".split()
)
_SERVICE_LOCALS: Final = frozenset((b"git", b"hg", b"svn"))
_IP4: Final = re.compile(rb"(?:\d{1,3}\.){3}\d{1,3}")
_IP6: Final = re.compile(rb"[0-9A-Fa-f:]{2,45}(?:(?<=:)(?:\d{1,3}\.){3}\d{1,3})?")
_HEX_BACKWARDS: Final = re.compile(rb"[0-9A-Fa-f:]*")
_HAS_DIGIT: Final = re.compile(rb"[0-9]")
_HEX_ROW: Final = re.compile(rb"[0-9A-Fa-f:]+")
_IP6_LIMIT_BYTES: Final = 45
_VERSION_NAME: Final = (
    r"(?i)(?:\b(?:version|versi(?:o|ó)n|versione|vers?\.?|released?|build|firmware|section|chapter|clause|figure|table|"
    r"abschnitt|kapitel|rev\.?|revision|upgraded? to|updated? to|assembly|dll|jdk|kernel|oid)|版本|§)"
    r"[\s:='\"(]{0,3}\z|[A-Za-z][\w.+-]*[/@_-]v?\z|[\w\]][=~<>!]=\z|[~<>]=\s?\z|[~^]\z|\bv[.:=]?\z"
)
_VERSION_WINDOW_BYTES: Final = 32


@cache
def _version_name() -> Search:
    return search_of(_VERSION_NAME)


def read_email(text: bytes, at: int) -> Finding:
    """Return the address around the @ at index `at`."""
    domain = _DOMAIN.match(text, at + 1)
    if domain is None or domain[1].lower() in _FILE_ENDINGS:
        return Finding(at, at + 1, "")
    local = _LOCAL_BACKWARDS.match(text[max(0, at - _LOCAL_LIMIT_BYTES) : at][::-1])
    start = at - local.end() if local else at
    trimmed = _LOCAL_TRIM.match(text, start, at)
    start = trimmed.end() if trimmed else start
    is_service = text[start:at] in _SERVICE_LOCALS and text[domain.end() : domain.end() + 1] in (b":", b"/")
    if start == at or is_service:
        return Finding(at, at + 1, "")
    return Finding(start, domain.end(), EMAIL)


def read_ip4(text: bytes, start: int) -> Finding | None:
    """Return the IPv4 address at `start`; not a version, not a loopback, unspecified or mask address."""
    run = _IP4.match(text, start)
    if run is None or not _is_ip4(run[0]) or _is_longer(text, start, run.end()):
        return None
    before = text[max(0, start - _VERSION_WINDOW_BYTES) : start]
    if _version_name()(before, 0, len(before))[0] >= 0:
        return None
    return Finding(start, run.end(), "" if _names_nobody(run[0]) else IP_ADDRESS)


def read_ip6(text: bytes, start: int) -> Finding | None:
    """Return the IPv6 address that holds the bytes at `start`: eight groups, or a double colon and a digit."""
    before = _HEX_BACKWARDS.match(text[max(0, start - _IP6_LIMIT_BYTES) : start][::-1])
    start -= before.end() if before else 0
    run = _IP6.match(text, start)
    if run is None or is_word_at(text, run.end()):
        return None
    if run.end() - start == _IP6_LIMIT_BYTES:  # no address is as long
        row = _HEX_ROW.match(text, start)
        return Finding(start, row.end() if row else run.end(), "")
    begin, written = _address_in(start, run[0])
    if not written or is_after_word(text, begin) or not _HAS_DIGIT.search(written):
        return None
    return Finding(begin, begin + len(written), "" if written in (b"::1", b"::") else IP_ADDRESS)


def _address_in(start: int, run: bytes) -> tuple[int, bytes]:
    """Return the address in a run of hexadecimal digits and colons: it may end a sentence, or have a port or a name."""
    ends = run.rstrip(b":") if not run.endswith(b"::") else run
    name_bytes = ends.find(b":") + 1
    for begin, written in ((0, ends), (0, ends.rpartition(b":")[0]), (name_bytes, ends[name_bytes:])):
        if _is_ip6(written):
            return start + begin, written
    return start, b""


def _is_ip4(written: bytes) -> bool:
    return all(int(part) <= 255 and (len(part) == 1 or part[:1] != b"0") for part in written.split(b"."))


def _is_longer(text: bytes, start: int, end: int) -> bool:
    following = text[end : end + 2]
    before = text[max(0, start - 2) : start]
    is_joined_after = following[:1] in (b".", b"-", b"_", b"+") and following[1:].isalnum()
    is_joined_before = before[1:] in (b".", b"-") and before[:1].isalnum()
    return is_word_at(text, end) or is_after_word(text, start) or is_joined_after or is_joined_before


def _names_nobody(written: bytes) -> bool:
    return written.startswith((b"127.", b"0.", b"255."))


def _is_ip6(written: bytes) -> bool:
    head, double, tail = written.partition(b"::")
    groups = [group for part in (head, tail) if part for group in part.split(b":")]
    length = len(groups)
    if groups and b"." in groups[-1]:
        if not _is_ip4(groups.pop()):
            return False
        length += 1
    if any(not 1 <= len(group) <= 4 for group in groups):
        return False
    return length <= 7 if double else length == 8
