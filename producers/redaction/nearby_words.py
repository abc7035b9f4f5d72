"""The words before a number, which tell a phone number from an order number."""

import re
from functools import cache, lru_cache
from typing import Final

from tokentrail.producers.redaction.engine import Search, search_of

_WINDOW_BYTES: Final = 48
# Alternatives, not character classes, where a letter has more than one byte in UTF-8.
_WORDS: Final[dict[str, str]] = {
    "phone": (
        r"phone|\btel\b|mobile|\bmobil\b|\bcell\b|whats?app|\bsms\b|\bfax|\bcall(?:ing|ed)?\b|\bdial|\btext me|"
        r"reach (?:me|us)|contact (?:no|number)|callback|hotline|telefon|handy|rufnummer|anrufen|\brufen\b|"
        r"t(?:é|e)l(?:é|e)phone|\bt(?:é|e)l\b|portable|appele[rz]|joindre|tel(?:é|e)fono|m(?:ó|o)vil|celular|"
        r"ll(?:á|a)m|chiama|\bligar?\b|telefoon|mobiel|\bbel\b|телефон|电话|電話|手机|手機|联系方式|携帯|전화|휴대|"
        r"फ़ोन|मोबाइल"
    ),
    "ssn": r"\bssn\b|social security|\bss#|taxpayer id|\bitin\b",
    "nino": r"national insurance|\bnino\b|\bni (?:no|num)",
    "insee": r"s(?:é|e)cu|insee|\bnir\b|\bnss\b",
    "bsn": r"\bbsn\b|burgerservice|sofi",
    "aadhaar": r"aadh?aa?r|uidai|\buid\b|आधार",
    "reference": (
        r"order|invoice|ticket|track|parcel|shipment|serial|batch|\bpart\b|\bsku\b|\bisbn|\bissn|\bdoi\b|\bean\b|\bupc\b|"
        r"version|build|commit|revision|\bref\b|referen|\bcase\b|\bclaim\b|policy|transaction|\btxn|booking|"
        r"account|customer|\bid\b|_id\b|timestamp|\bts\b|epoch|\bport\b|\bpid\b|\brows?\b|bytes|bestell|rechnung|auftrag|"
        r"kunden|sendung|commande|facture|suivi|pedido|factura|ordine|fattura|encomenda|bestelling|factuur|"
        r"заказ|订单|快递|单号|発注|注文|주문|#"
    ),
}
_REFERENCE_NAME: Final = (
    r"(?i)(?:(?:order|invoice|ticket|track\w*|parcel|shipment|serial|batch|part|sku|isbn|issn|doi|ean|upc|ref|reference|"
    r"case|claim|policy|transaction|txn|booking|id|bestellung|bestellnummer|auftrag|rechnung|sendung|commande|facture|"
    r"suivi|pedido|factura|ordine|fattura|bestelling|factuur)(?:[ _-]?(?:no|nr|num|number|nummer|id|code|n°))?|"
    r"заказ|订单号?|快递单号|单号|注文番号|주문번호|№|#)[\s.\"':=#\\\x{ff1a}-]{0,6}\z"
)
_EAST_ASIAN: Final = re.compile(rb"[\xe3-\xed][\x80-\xbf]{2}")


@cache
def _any_word() -> Search:
    return search_of(f"(?i){'|'.join(_WORDS.values())}")


@cache
def _reference_name() -> Search:
    return search_of(_REFERENCE_NAME)


@lru_cache(1024)
def _topic_of(word: bytes) -> str:
    written = word.decode("utf-8", "replace")
    return next((topic for topic, words in _WORDS.items() if re.fullmatch(words, written, re.IGNORECASE)), "")


def topic_before(text: bytes, start: int) -> str:
    """Return what the nearest telling word before `start` in its line speaks of (phone, reference, …), or nothing."""
    begin = max(0, start - _WINDOW_BYTES)
    line = text.rfind(b"\n", begin, start)
    # A table's heading is no name for what begins the next line; "Phone:" is.
    if line >= 0 and not (text[line:start].isspace() and text[begin:line].rstrip()[-1:] == b":"):
        begin = line
    search = _any_word()
    word_start = told_end = -1
    word_end = begin
    while True:
        found, end = search(text, word_end, start)
        if found < 0:
            return _topic_of(text[word_start:told_end]) if word_start >= 0 else ""
        word_end = end
        if (
            text[found - 1 : found] != b"[" or text[end : end + 1] != b"]"
        ):  # `[phone]` stands for a number, not for more
            word_start, told_end = found, end


def is_called_reference(text: bytes, start: int) -> bool:
    """Return whether the name right before `start` is that of an order, an invoice, an ISBN or the like."""
    before = text[max(0, start - _WINDOW_BYTES) : start]
    return _reference_name()(before, 0, len(before))[0] >= 0


def is_east_asian(text: bytes, start: int, end: int) -> bool:
    """Return whether Chinese, Japanese or Korean is written right around the bytes."""
    return bool(
        _EAST_ASIAN.search(text, max(0, start - _WINDOW_BYTES), start)
        or _EAST_ASIAN.search(text, end, end + _WINDOW_BYTES)
    )
