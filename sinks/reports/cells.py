"""One value as a terminal, a spreadsheet or a reader may safely have it: what callers put into names stays a name."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, colours it, or turns the direction of text."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With what a spreadsheet's formula begins (https://owasp.org/www-community/attacks/CSV_Injection)."""
_ROUND_FROM: Final = 1000


def harmless(text: str) -> str:
    """Return the text with each sign that would steer a terminal shown as U+FFFD; newlines and tabs stay."""
    return _CONTROL.sub("\ufffd", text)


def csv_cell(cell: object) -> str:
    """Return a cell of CSV: numbers, money and moments exact, text with an apostrophe where it looks like a formula."""
    if cell is None:
        return ""
    if isinstance(cell, Decimal):
        return format(cell, "f")
    if isinstance(cell, int | float):
        return str(cell)
    if isinstance(cell, datetime):
        return cell.isoformat()
    text = ", ".join(map(str, cell)) if isinstance(cell, list | tuple) else str(cell)
    guarded = f"'{text}" if text.startswith(_FORMULA) else text
    return harmless(guarded)


def readable_cell(cell: object) -> str:
    """Return what people read: no exponents, floats to four digits, moments to the second, lists by commas."""
    if cell is None:
        return "-"
    if isinstance(cell, Decimal):
        return f"{cell:,f}"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:,.4g}" if abs(cell) < _ROUND_FROM else f"{cell:,.0f}"
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}"
    return harmless(", ".join(map(str, cell)) if isinstance(cell, list | tuple) else str(cell))
