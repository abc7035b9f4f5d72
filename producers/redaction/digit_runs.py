"""Numbers as they are written: groups of digits with separators between."""

# ruff: noqa: PLR2004 - the numbers are lengths and ranges of published formats

import re
from typing import Final, NamedTuple

SEPARATOR: Final = r"(?:[ .\-/]|\xc2\xa0|\xe2\x80[\x90-\x94\xaf])"
"""Space, dot, hyphen, slash; no-break spaces, and the typographic hyphens and dashes, in UTF-8."""
_RUN: Final = re.compile(rf"\d+(?:{SEPARATOR}{{1,3}}\d+){{0,7}}".encode("latin-1"))
_GROUP: Final = re.compile(rb"\d+")
_WORD_BYTES: Final = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
_ESCAPE: Final = re.compile(rb"(?:\\(?:[bfnrt]|u[0-9A-Fa-f]{4})|%[0-9A-Fa-f]{2})\Z")
_GROUP_BEFORE: Final = re.compile(rb"(?:\A|[^\w.:/,-])\d{1,4} \Z")
_JOINTS: Final = frozenset(b".-/")


class DigitRun(NamedTuple):
    """The first groups of a run of digits: where they are, how long each is, and all their digits."""

    text: bytes
    start: int
    end: int
    shape: tuple[int, ...]
    digits: str


def groups_of(text: bytes, start: int) -> list[tuple[int, int]]:
    """Return where the groups of the run of digits that begins at `start` are, at most eight."""
    run = _RUN.match(text, start)
    return [group.span() for group in _GROUP.finditer(text, start, run.end())] if run else [(start, start + 1)]


def is_word_at(text: bytes, index: int) -> bool:
    """Return whether there is a letter, a digit or an underscore (in ASCII) at `index`."""
    return 0 <= index < len(text) and text[index] in _WORD_BYTES


def goes_on(text: bytes, end: int) -> bool:
    """Return whether what ends at `end` is only a part: a word, or more digits behind a joint, come next."""
    return is_word_at(text, end) or (end + 1 < len(text) and text[end] in _JOINTS and 48 <= text[end + 1] <= 57)


def is_after_word(text: bytes, start: int) -> bool:
    """Return whether a word ends right before `start`; the letters of an escape (JSON's, a URL's) are none."""
    return is_word_at(text, start - 1) and _ESCAPE.search(text, max(0, start - 6), start) is None


def comes_from(text: bytes, start: int) -> bool:
    """Return whether what begins at `start` is only a part: a word, or digits, are joined to it from before."""
    if is_after_word(text, start):
        return True
    before = text[start - 1] if start else 0
    return (before == ord("-") and is_word_at(text, start - 2)) or (
        start > 1 and before in _JOINTS and 48 <= text[start - 2] <= 57
    )


def follows_digits(text: bytes, start: int) -> bool:
    """Return whether another group of digits, at most four, stands before `start`, one space away."""
    return _GROUP_BEFORE.search(text, max(0, start - 6), start) is not None


def separators_of(run: DigitRun) -> set[bytes]:
    """Return what stands between the groups."""
    return set(_GROUP.split(run.text[run.start : run.end])) - {b""}
