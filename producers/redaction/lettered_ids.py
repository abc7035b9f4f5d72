"""Identifiers of letters and digits: national ids of Spain, Italy, France, China and the United Kingdom, and IBANs."""

# ruff: noqa: PLR2004 - the numbers are lengths and ranges of published formats

import re
from typing import Final

from tokentrail.producers.redaction import checksums
from tokentrail.producers.redaction.digit_runs import comes_from, goes_on, is_after_word, is_word_at
from tokentrail.producers.redaction.kinds import IBAN, NATIONAL_ID, Finding
from tokentrail.producers.redaction.nearby_words import is_called_reference, topic_before

_DNI: Final = re.compile(rb"(\d{8}|\d{2}\.\d{3}\.\d{3})[- ]?([A-HJ-NP-TV-Za-hj-np-tv-z])")
_NIE: Final = re.compile(rb"([XYZxyz])[- ]?(\d{7}|\d\.?\d{3}\.\d{3})[- ]?([A-HJ-NP-TV-Za-hj-np-tv-z])")
_CORSICAN: Final = re.compile(rb"([123478] ?\d\d ?\d\d ?2[ABab] ?\d{3} ?\d{3})[ /-]{0,3}(\d\d)")
_RESIDENT: Final = re.compile(rb"\d{17}[Xx]|\d{6} \d{8} \d{3}[Xx]")
_FISCAL: Final = re.compile(
    rb"[A-Z]{3} ?[A-Z]{3} ?[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2} ?[A-Z][0-9LMNPQRSTUV]{3}[A-Z]",
    re.IGNORECASE,
)
_FISCAL_BEFORE: Final = re.compile(rb"[A-Za-z]{3} ?[A-Za-z]{2}\Z")
_FISCAL_BEFORE_BYTES: Final = 6
_NINO: Final = re.compile(rb"([A-Z]{2})[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[A-D]", re.IGNORECASE)
_NINO_NEVER: Final = frozenset(("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"))
_IBAN: Final = re.compile(rb"[A-Z]{2}\d{2}(?:(?:[ .-]|\xc2\xa0)?[A-Z0-9]){11,30}", re.IGNORECASE)
IBAN_LENGTHS: Final[dict[str, int]] = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24,
    "XK": 20,
}  # fmt: skip
"""The SWIFT registry of ISO 13616."""


def read_lettered_number(text: bytes, start: int) -> Finding | None:
    """Return the id at `start` that begins with digits and holds a letter."""
    resident = _RESIDENT.match(text, start)
    if resident and not is_word_at(text, resident.end()):
        return _finding(resident, checksums.resident_id_holds(resident[0].replace(b" ", b"").decode()))
    dni = _DNI.match(text, start)
    if dni and not is_word_at(text, dni.end()) and not comes_from(text, start):
        return _finding(dni, checksums.dni_holds(dni[1].replace(b".", b"").decode(), dni[2].decode()))
    corsican = _CORSICAN.match(text, start)
    if corsican and not is_word_at(text, corsican.end()):
        number = corsican[1].replace(b" ", b"").decode()
        return _finding(corsican, checksums.insee_holds(number, corsican[2].decode()))
    return None


def read_lettered_id(text: bytes, start: int) -> Finding | None:
    """Return the id or IBAN at `start` that begins with a letter."""
    return _read_iban(text, start) or _read_nino(text, start) or _read_nie(text, start)


def _read_iban(text: bytes, start: int) -> Finding | None:
    run = _IBAN.match(text, start)
    length = IBAN_LENGTHS.get(text[start : start + 2].decode("ascii", "replace").upper(), 0)
    if run is None or not length or comes_from(text, start):
        return None
    iban, end = "", start
    while len(iban) < length and end < run.end():
        byte = text[end]
        end += 1
        if byte < 128 and chr(byte).isalnum():
            iban += chr(byte)
    if len(iban) < length or is_word_at(text, end) or not checksums.iban_holds(iban.upper()):
        return None
    return Finding(start, end, IBAN)


def read_fiscal_code(text: bytes, start: int) -> Finding | None:
    """Return the Italian tax code whose sixth letter is at `start`."""
    before = _FISCAL_BEFORE.search(text, max(0, start - _FISCAL_BEFORE_BYTES), start)
    if before is None or is_after_word(text, before.start()):
        return None
    run = _FISCAL.match(text, before.start())
    if run is None or is_word_at(text, run.end()):
        return None
    return _finding(run, checksums.codice_fiscale_holds(run[0].replace(b" ", b"").decode().upper()))


def _read_nino(text: bytes, start: int) -> Finding | None:
    run = _NINO.match(text, start)
    if run is None or goes_on(text, run.end()):
        return None
    prefix = run[1].decode().upper()
    if set(prefix) & set("DFIQUV") or prefix[1] == "O" or prefix in _NINO_NEVER:
        return None
    is_told = run[0].upper() == run[0] and not is_called_reference(text, start)
    return _finding(run, is_told or topic_before(text, start) == "nino")


def _read_nie(text: bytes, start: int) -> Finding | None:
    run = _NIE.match(text, start)
    if run is None or is_word_at(text, run.end()):
        return None
    number = "XYZ".index(run[1].decode().upper())
    return _finding(run, checksums.dni_holds(f"{number}{run[2].replace(b'.', b'').decode()}", run[3].decode()))


def _finding(match: re.Match[bytes], holds: bool) -> Finding | None:  # noqa: FBT001 - private, and read as a question
    return Finding(match.start(), match.end(), NATIONAL_ID) if holds else None
