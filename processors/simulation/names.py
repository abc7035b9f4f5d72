"""How numbers read in events: sessions, contents, and the form of keyed fingerprints."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_MIX: Final = 0x9E3779B97F4A7C15
"""Odd, so that multiplying by it keeps numbers apart."""
_MASK: Final = 2**64 - 1
_HEX: Final = 16


def name_session(number: int) -> str:
    """Return the `session_id` of a session."""
    return f"s-{number * _MIX & _MASK:016x}"


def name_sessions(numbers: NDArray[np.int64]) -> list[str | None]:
    """Return the `session_id` of each session; None for a negative number."""
    digits = _digits(numbers)
    return [
        None if number < 0 else "s-" + digits[place : place + _HEX]
        for number, place in zip(numbers.tolist(), range(0, len(digits), _HEX), strict=True)
    ]


def form_of(first_key: str) -> str:
    """Return what a company's fingerprints begin with: the version, and a pepper's id."""
    return f"hmac1:{first_key[:8]}:"


def name_content(form: str, content: int) -> str:
    """Return the `request_hash` of a content."""
    return f"{form}{content * _MIX & _MASK:016x}{content:016x}"


def name_contents(form: str, contents: NDArray[np.uint64]) -> list[str]:
    """Return the `request_hash` of each content."""
    mixed, plain = _digits(contents), contents.astype(">u8").tobytes().hex()
    return [form + mixed[place : place + _HEX] + plain[place : place + _HEX] for place in range(0, len(mixed), _HEX)]


def _digits(numbers: NDArray[Any]) -> str:
    return (numbers.astype(np.uint64) * np.uint64(_MIX)).astype(">u8").tobytes().hex()
