"""Reads numbers: cards, national ids and national phone numbers, told apart by shape and check digits."""

# ruff: noqa: PLR2004 - the numbers are lengths and ranges of published formats

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from tokentrail.producers.redaction import checksums
from tokentrail.producers.redaction.addresses import read_ip4
from tokentrail.producers.redaction.digit_runs import (
    DigitRun,
    comes_from,
    follows_digits,
    goes_on,
    groups_of,
    is_word_at,
    separators_of,
)
from tokentrail.producers.redaction.kinds import CARD, NATIONAL_ID, PHONE, Finding, place_after
from tokentrail.producers.redaction.lettered_ids import read_lettered_number
from tokentrail.producers.redaction.nearby_words import is_called_reference, topic_before
from tokentrail.producers.redaction.phones import is_bare_phone, is_grouped_phone, read_international

_Judge = Callable[[DigitRun], bool]
_IP4_DOTS: Final = 3
_IP4_DOTS_WITHIN: Final = 12
_DOTTED_CHAIN: Final = re.compile(rb"\d{1,3}(?:\.\d{1,3}){4,}(?!\d)")
"""More parts than an address has: an OID, a heading. French phone numbers have five, and begin with 0."""
_FRACTION: Final = re.compile(rb"(?:\d{1,12}|\d{20,})(?![\d@:])(?! ?\d)")
_LETTER: Final = re.compile(rb"[A-Za-z]")
_LETTER_WITHIN: Final = 20
"""The longest lettered number with its spaces."""
_FOUR_BEFORE: Final = re.compile(rb"(?:\A|[^\w.:/,-])\d{4} \Z")
_FOUR_MORE: Final = re.compile(rb"[ -]\d{4}(?!\d)")
_MOST_DIGITS: Final = 19
_PHONE_DIGITS: Final = range(9, 13)


def read_number(text: bytes, start: int) -> Finding:
    """Return what the number beginning at `start` is; without a kind, the end of its first group of digits."""
    before_groups = _read_before_groups(text, start)
    if before_groups is not None:
        return before_groups
    groups = groups_of(text, start)
    shape = tuple([end - begin for begin, end in groups])
    for size, judges in _readings_of(shape):
        end = groups[size - 1][1]
        if is_word_at(text, end) or text[end : end + 1] == b"@":
            continue
        run = DigitRun(text, start, end, shape[:size], b"".join([text[a:b] for a, b in groups[:size]]).decode())
        for kind, judge in judges:
            if judge(run):
                return Finding(start, end, kind)
    return Finding(start, place_after(text, start, groups[0][1]), "")


@lru_cache(1024)
def _readings_of(shape: tuple[int, ...]) -> tuple[tuple[int, tuple[tuple[str, _Judge], ...]], ...]:
    """Return how many groups a number can have that begins a run of this shape, and who judges them; longest first."""
    sizes = range(_most_groups(shape), 0, -1)
    return tuple([(size, judges) for size in sizes if (judges := _judges_of(shape[:size]))])


def _most_groups(shape: tuple[int, ...]) -> int:
    """Return how many groups the longest number can have that begins a run of this shape."""
    total = 0
    for size, length in enumerate(shape):
        total += length
        if total > _MOST_DIGITS:
            return size
    return len(shape)


def _read_before_groups(text: bytes, start: int) -> Finding | None:
    if text.count(b".", start, start + _IP4_DOTS_WITHIN) >= _IP4_DOTS and (address := _read_dotted(text, start)):
        return address
    if start > 1 and text[start - 1] == ord(".") and 48 <= text[start - 2] <= 57:
        fraction = _FRACTION.match(text, start)
        if fraction is not None:
            return Finding(start, fraction.end(), "")
    if _LETTER.search(text, start, start + _LETTER_WITHIN) and (lettered := read_lettered_number(text, start)):
        return lettered
    return read_international(text, start) if text.startswith(b"00", start) else None


def _read_dotted(text: bytes, start: int) -> Finding | None:
    address = read_ip4(text, start)
    chain = None if address or text[start] == ord("0") else _DOTTED_CHAIN.match(text, start)
    return Finding(start, chain.end(), "") if chain else address


def _is_card(run: DigitRun) -> bool:
    if not _issuer_allows(run.digits) or not checksums.luhn_holds(run.digits) or len(separators_of(run)) > 1:
        return False
    # The end of a longer row, as of a parcel's number; a card of sixteen digits may follow digits all the same.
    return (
        run.shape[-1] > 3 or len(run.shape) != 4 or not _FOUR_BEFORE.search(run.text, max(0, run.start - 6), run.start)
    )


def _issuer_allows(digits: str) -> bool:
    """Issuers' number ranges and lengths, as published by the card networks."""
    length = len(digits)
    two, three, four = int(digits[:2]), int(digits[:3]), int(digits[:4])
    if digits[0] == "4":
        return length in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return length == 16
    if two in (34, 37):
        return length == 15
    if two in (36, 38, 39) or 300 <= three <= 305:
        return 14 <= length <= 19
    if 3528 <= four <= 3589 or 2200 <= four <= 2204 or two in (60, 62, 64, 65, 81, 82):
        return 16 <= length <= 19
    return (two in (50, 56, 57, 58) or digits[0] == "6") and length in (16, 18, 19)


def _is_ssn(run: DigitRun) -> bool:
    area, group, serial = run.digits[:3], run.digits[3:5], run.digits[5:]
    # The Social Security Administration has never given out these; 9xx are taxpayer numbers (ITIN), as telling.
    if area in ("000", "666") or group == "00" or serial == "0000" or run.digits in ("078051120", "219099999"):
        return False
    if run.shape == (9,):
        return not _is_part(run) and topic_before(run.text, run.start) == "ssn"
    return len(separators_of(run)) == 1 and not _is_part(run) and not is_called_reference(run.text, run.start)


def _is_insee(run: DigitRun) -> bool:
    """15 digits with the key; 13 without it, only where words say so."""
    month = int(run.digits[3:5])
    if run.digits[0] not in "123478" or not (1 <= month <= 12 or month in range(20, 43) or month >= 50):
        return False
    if len(run.digits) == 13:
        return topic_before(run.text, run.start) == "insee"
    return checksums.insee_holds(run.digits[:13], run.digits[13:])


def _is_steuer_id(run: DigitRun) -> bool:
    return checksums.steuer_id_holds(run.digits) and not _is_part(run) and not is_called_reference(run.text, run.start)


def _is_cpf(run: DigitRun) -> bool:
    return checksums.cpf_holds(run.digits) and not _is_part(run) and not is_called_reference(run.text, run.start)


def _is_bsn(run: DigitRun) -> bool:
    return checksums.bsn_holds(run.digits) and topic_before(run.text, run.start) == "bsn"


def _is_aadhaar(run: DigitRun) -> bool:
    if run.digits[0] in "01" or not checksums.verhoeff_holds(run.digits):
        return False
    if run.shape == (12,):
        return topic_before(run.text, run.start) == "aadhaar"
    is_longer = _FOUR_MORE.match(run.text, run.end) or follows_digits(run.text, run.start)
    return not is_longer and not _is_part(run) and not is_called_reference(run.text, run.start)


def _is_resident_id(run: DigitRun) -> bool:
    return checksums.resident_id_holds(run.digits)


def _is_part(run: DigitRun) -> bool:
    return comes_from(run.text, run.start) or goes_on(run.text, run.end)


_CARD: Final = (CARD, _is_card)
_BY_SHAPE: Final[dict[tuple[int, ...], tuple[tuple[str, _Judge], ...]]] = {
    **dict.fromkeys(((13,), (14,), (16,), (17,), (19,)), (_CARD,)),
    **dict.fromkeys(
        ((4, 4, 4, 1), (4, 4, 4, 2), (4, 4, 4, 3), (4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 4, 4, 4, 2)), (_CARD,)
    ),
    **dict.fromkeys(((4, 6, 5), (4, 6, 4), (8, 8), (6, 10), (4, 4, 8), (4, 12), (6, 13), (4, 5, 6)), (_CARD,)),
    (13,): (_CARD, (NATIONAL_ID, _is_insee)),
    (15,): (_CARD, (NATIONAL_ID, _is_insee)),
    (18,): ((NATIONAL_ID, _is_resident_id), _CARD),
    (6, 8, 4): ((NATIONAL_ID, _is_resident_id),),
    **dict.fromkeys(
        (
            (1, 2, 2, 2, 3, 3),
            (1, 2, 2, 2, 3, 3, 2),
            (13, 2),
            (1, 4, 2, 3, 3, 2),
            (1, 2, 2, 5, 3, 2),
            (1, 12, 2),
            (7, 6, 2),
        ),
        ((NATIONAL_ID, _is_insee),),
    ),
    **dict.fromkeys(((9,), (3, 2, 4)), ((NATIONAL_ID, _is_ssn),)),
    **dict.fromkeys(
        ((2, 3, 3, 3), (2, 9), (3, 3, 3, 2), (9, 2)), ((NATIONAL_ID, _is_steuer_id), (NATIONAL_ID, _is_cpf))
    ),
    (11,): ((NATIONAL_ID, _is_steuer_id), (NATIONAL_ID, _is_cpf), (PHONE, is_bare_phone)),
    (9,): ((NATIONAL_ID, _is_bsn), (NATIONAL_ID, _is_ssn), (PHONE, is_bare_phone)),
    **dict.fromkeys(((3, 3, 3), (4, 2, 3), (4, 3, 2)), ((NATIONAL_ID, _is_bsn), (PHONE, is_grouped_phone))),
    **dict.fromkeys(((4, 4, 4), (12,)), ((NATIONAL_ID, _is_aadhaar), (PHONE, is_bare_phone))),
    (10,): ((PHONE, is_bare_phone),),
}
_GROUPED: Final = ((PHONE, is_grouped_phone),)


def _judges_of(shape: tuple[int, ...]) -> tuple[tuple[str, _Judge], ...]:
    judges = _BY_SHAPE.get(shape)
    if judges is not None:
        return judges
    return _GROUPED if len(shape) > 1 and sum(shape) in _PHONE_DIGITS else ()
