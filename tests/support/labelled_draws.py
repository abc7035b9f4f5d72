"""Random draws, and the forms that values are drawn in."""

import json
import random
import string
from pathlib import Path
from typing import Final

FORMS: Final = json.loads(Path(__file__).with_name("labelled_forms.json").read_text())
"""Passages with {{slots}} by style; shapes of numbers; words of code that only look like secrets."""
ALNUM: Final = string.ascii_letters + string.digits
URL_SAFE: Final = ALNUM + "-_"
HEX: Final = "0123456789abcdef"
UPPER: Final = string.ascii_uppercase


class Draws:
    """What values are put together from."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def _pick(self, *options: str) -> str:
        return self._chance.choice(options)

    def _of(self, alphabet: str, length: int) -> str:
        return "".join(self._chance.choice(alphabet) for _ in range(length))

    def _digits(self, length: int) -> str:
        return self._of(string.digits, length)

    def _shaped(self, shape: str) -> str:
        """Fill a shape: # is a digit, N a digit from 2 to 9, P one from 1 to 9; the rest stands for itself."""
        fill = {"#": string.digits, "N": "23456789", "P": "123456789"}
        return "".join(self._chance.choice(fill[c]) if c in fill else c for c in shape)

    def _shaped_as(self, name: str) -> str:
        return self._shaped(self._pick(*FORMS["shapes"][name]))
