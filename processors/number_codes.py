"""Numbers of any size in two bytes each, in order: what an entity remembers is kept a million times."""

import sys
from array import array
from struct import Struct
from typing import Final

_FLOAT: Final = Struct("<f")
_BITS: Final = Struct("<I")
_CODE: Final = Struct("<H")
_DROPPED_BITS: Final = 13
"""Of the 23 bits of a 32-bit float's mantissa; 10 stay, which makes whole numbers exact up to 2048."""
_LOWEST: Final = (127 - 24) << 10
"""The code of 2^-24 before it is moved down to 0: 6 bits of exponent reach from there to 2^40 (10^-7 to 10^12)."""
_HIGHEST: Final = 0xFFFF


def encode_number(number: float) -> bytes:
    """Return the two bytes of a number from 0 to 10^12, within 0.05 %; what is smaller is 0, what is larger 10^12."""
    if number <= 0:
        return b"\0\0"
    (bits,) = _BITS.unpack(_FLOAT.pack(min(number, 1e30)))
    code = ((bits + (1 << (_DROPPED_BITS - 1))) >> _DROPPED_BITS) - _LOWEST
    return _CODE.pack(min(max(code, 0), _HIGHEST))


def decode_numbers(codes: bytes) -> list[float]:
    """Return the numbers of some codes, in their order."""
    halves = array("H", codes)
    if sys.byteorder == "big":
        halves.byteswap()
    bits = array("I", [(code + _LOWEST) << _DROPPED_BITS if code else 0 for code in halves])
    return array("f", bits.tobytes()).tolist()
