"""The words before a number, which tell a phone number from an order number."""

import re
from typing import Final

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
_NEAREST: Final = re.compile(
    "|".join(f"(?P<{topic}>{words})" for topic, words in _WORDS.items()).encode(), re.IGNORECASE
)
_REFERENCE_NAME: Final = re.compile(
    rb"(?:(?:order|invoice|ticket|track\w*|parcel|shipment|serial|batch|part|sku|isbn|issn|doi|ean|upc|ref|reference|case|claim|policy|"
    rb"transaction|txn|booking|id|bestellung|bestellnummer|auftrag|rechnung|sendung|commande|facture|suivi|pedido|factura|"
    rb"ordine|fattura|bestelling|factuur)(?:[ _-]?(?:no|nr|num|number|nummer|id|code|n\xc2\xb0))?|"
    + "заказ|订单号?|快递单号|单号|注文番号|주문번호|№".encode()
    + rb"|#)[\s.\"':=#\\\xef\xbc\x9a-]{0,6}\Z",
    re.IGNORECASE,
)
_EAST_ASIAN: Final = re.compile(rb"[\xe3-\xed][\x80-\xbf]{2}")


def topic_before(text: bytes, start: int) -> str:
    """Return what the nearest telling word before `start` speaks of (phone, ssn, reference, …), or nothing."""
    topic = ""
    for word in _NEAREST.finditer(text, max(0, start - _WINDOW_BYTES), start):
        topic = word.lastgroup or ""
    return topic


def is_called_reference(text: bytes, start: int) -> bool:
    """Return whether the name right before `start` is that of an order, an invoice, an ISBN or the like."""
    return _REFERENCE_NAME.search(text, max(0, start - _WINDOW_BYTES), start) is not None


def is_east_asian(text: bytes, start: int, end: int) -> bool:
    """Return whether Chinese, Japanese or Korean is written right around the bytes."""
    return bool(
        _EAST_ASIAN.search(text, max(0, start - _WINDOW_BYTES), start)
        or _EAST_ASIAN.search(text, end, end + _WINDOW_BYTES)
    )
