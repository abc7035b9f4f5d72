"""Phone numbers: international ones by country code and length (ITU-T E.164), national ones by how they are written."""

# ruff: noqa: PLR2004 - the numbers are lengths and ranges of published formats

import re
from typing import Final

from tokentrail.producers.redaction.digit_runs import (
    SEPARATOR,
    DigitRun,
    comes_from,
    follows_digits,
    goes_on,
    is_after_word,
    is_word_at,
    separators_of,
)
from tokentrail.producers.redaction.kinds import PHONE, Finding
from tokentrail.producers.redaction.nearby_words import is_called_reference, is_east_asian, topic_before

_INTERNATIONAL: Final = re.compile(
    rf"(?:\+|00)[ (]{{0,2}}\d(?:(?:{SEPARATOR}|[()]){{0,3}}\d){{5,19}}".encode("latin-1")
)
_BRACKETED: Final = re.compile(rf"\(0?\d{{1,5}}\)(?:{SEPARATOR}{{0,3}}\d+){{1,5}}".encode("latin-1"))
_TRUNK_BEFORE: Final = re.compile(rb"(?:\A|\W|\\[bfnrt])([178][ .-]?)\Z")
_FOUR_MORE: Final = re.compile(rb"[ -]\d{4}(?!\d)")
_TRUNK_ZERO: Final = b"(0)"
_GROUP: Final = re.compile(rb"\d+")
_LENGTHS: Final[dict[str, tuple[int, int]]] = {
    "1": (11, 11), "7": (11, 11), "20": (11, 12), "27": (11, 11), "30": (12, 12), "31": (11, 11), "32": (10, 11),
    "33": (11, 11), "34": (11, 11), "36": (10, 11), "39": (10, 13), "40": (11, 11), "41": (11, 11), "43": (9, 14),
    "44": (11, 12), "45": (10, 10), "46": (9, 12), "47": (10, 10), "48": (11, 11), "49": (9, 14), "52": (12, 13),
    "54": (12, 13), "55": (12, 13), "61": (11, 11), "62": (10, 14), "63": (12, 12), "64": (10, 12), "65": (10, 10),
    "66": (10, 11), "81": (11, 12), "82": (10, 12), "84": (11, 12), "86": (11, 13), "90": (12, 12), "91": (12, 12),
    "92": (12, 12),
}  # fmt: skip
"""Digits with the country code, fewest and most; other countries: 8 to 15."""
_BARE_MOBILE: Final = re.compile(r"0[67]\d{8}|07\d{9}|0[789]0\d{8}|010\d{8}|04\d{8}")
_CHINESE_MOBILE: Final = re.compile(r"1[3-9]\d{9}")
_NANP: Final = re.compile(r"1?[2-9]\d\d[2-9]\d{6}")
"""North American numbers: neither area nor exchange begins with 0 or 1."""
_BY_SHAPE: Final = {
    (3, 4, 4): _CHINESE_MOBILE,
    (5, 5): re.compile(r"[6-9]\d{9}"),  # India
    (3, 2, 2, 2): re.compile(r"[6-9]\d{8}"),  # Spain
    (2, 5, 4): re.compile(r"[1-9]\d9\d{8}"),  # Brazil
    (1, 3, 3, 2, 2): re.compile(r"[78][3489]\d{9}"),  # Russia
}
_DATE: Final = re.compile(rb"(?:19|20)\d\d[-./]\d\d[-./]\d\d|\d\d[-./]\d\d[-./](?:19|20)\d\d")


def read_international(text: bytes, start: int) -> Finding | None:
    """Return the number at `start` that begins with + or 00 and a country code, cut where the country's length says."""
    run = _INTERNATIONAL.match(text, start)
    if run is None or is_after_word(text, start):
        return None
    prefix = 1 if text[start] == 43 else 2
    written = text[start + prefix : run.end()].replace(_TRUNK_ZERO, b"\0\0\0")
    digits, end = b"", 0
    for group in _GROUP.finditer(written):
        digits += group[0]
        if _is_whole(digits.decode()) and not is_word_at(text, start + prefix + group.end()):
            end = start + prefix + group.end()
    # 00 also begins what is only padded with zeros.
    is_sure = prefix == 1 or topic_before(text, start) == "phone" or _is_spaced(text, start, end)
    return Finding(start, end, PHONE) if end and is_sure else None


def _is_spaced(text: bytes, start: int, end: int) -> bool:
    is_part = comes_from(text, start) or follows_digits(text, start)
    return b" " in text[start:end] and not is_part and not _DATE.search(text, start, end)


def _is_whole(digits: str) -> bool:
    for length in (1, 2):
        limits = _LENGTHS.get(digits[:length])
        if limits is not None:
            return limits[0] <= len(digits) <= limits[1]
    return digits[0] != "0" and 8 <= len(digits) <= 15


def read_bracketed(text: bytes, start: int) -> Finding | None:
    """Return the number at `start` whose area code is in brackets."""
    run = _BRACKETED.match(text, start)
    if run is None or is_after_word(text, start):
        return None
    end, digits = 0, b""
    for group in _GROUP.finditer(text, start, run.end()):
        digits += group[0]
        if 9 <= len(digits) <= 12 and not is_word_at(text, group.end()) and not goes_on(text, group.end()):
            end = group.end()
        if len(digits) >= 10 and end and digits[:1] != b"0":
            break
    trunk = _TRUNK_BEFORE.search(text, max(0, start - 5), start)
    begin = start - len(trunk[1]) if trunk else start
    return Finding(begin, end, PHONE) if end and not is_called_reference(text, begin) else None


def is_bare_phone(run: DigitRun) -> bool:
    """Return whether digits without separators are a phone number: words say so, or it can hardly be something else."""
    if comes_from(run.text, run.start) or goes_on(run.text, run.end):
        return False
    if len(run.shape) > 1 and (_FOUR_MORE.match(run.text, run.end) or follows_digits(run.text, run.start)):
        return False
    if topic_before(run.text, run.start) == "phone":
        return True
    if is_called_reference(run.text, run.start):
        return False
    if _CHINESE_MOBILE.fullmatch(run.digits):
        return is_east_asian(run.text, run.start, run.end)
    return _BARE_MOBILE.fullmatch(run.digits) is not None


def is_grouped_phone(run: DigitRun) -> bool:
    """Return whether groups of digits are a phone number as some country writes it."""
    total = len(run.digits)
    if not 9 <= total <= 12 or comes_from(run.text, run.start) or goes_on(run.text, run.end):
        return False
    if _DATE.search(run.text, run.start, run.end) or is_called_reference(run.text, run.start):
        return False
    # Of a longer row of digits, only pairs that begin with 0 are told: the French way.
    is_of_row = follows_digits(run.text, run.start) and run.shape != (2, 2, 2, 2, 2)
    if not is_of_row and (_is_usual(run) or _is_trunk_zero(run)):
        return True
    return topic_before(run.text, run.start) == "phone"


def _is_usual(run: DigitRun) -> bool:
    shape, digits = run.shape, run.digits
    if shape in ((3, 3, 4), (1, 3, 3, 4)):
        return _NANP.fullmatch(digits) is not None and len(separators_of(run)) == 1
    usual = _BY_SHAPE.get(shape)
    return usual is not None and usual.fullmatch(digits) is not None


def _is_trunk_zero(run: DigitRun) -> bool:
    shape = run.shape
    return (
        run.digits[0] == "0"
        and run.digits[1] != "0"
        and 2 <= shape[0] <= 5
        and 2 <= len(shape) <= 6
        and min(shape[1:]) >= 2
    )
