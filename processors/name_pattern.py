"""Patterns of provider, model and department names: `*` is any text, `?` any one character; case does not matter."""

import re
from functools import lru_cache


class NamePattern:
    """One pattern. Every other character, brackets too, stands for itself."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.symbols = text.casefold()
        parts = {"*": ".*", "?": "."}
        self._regex = re.compile(
            "".join(parts.get(sign) or re.escape(sign) for sign in text), re.IGNORECASE | re.DOTALL
        )

    def matches(self, name: str) -> bool:
        """Say whether the whole name fits."""
        return self._regex.fullmatch(name) is not None

    def covers(self, other: "NamePattern") -> bool:
        """Say whether every name that fits `other` fits this; in doubt, no."""
        return _covers(self.symbols, other.symbols)

    def meets(self, other: "NamePattern") -> bool:
        """Say whether there is a name that fits both."""
        return _meets(self.symbols, other.symbols)


@lru_cache(maxsize=65_536)
def _covers(wide: str, narrow: str) -> bool:
    if not wide or not narrow:
        return not wide.strip("*") and not narrow
    if wide[0] == "*":
        return _covers(wide[1:], narrow) or _covers(wide, narrow[1:])
    if narrow[0] == "*" or wide[0] not in (narrow[0], "?"):
        return False
    return _covers(wide[1:], narrow[1:])


@lru_cache(maxsize=65_536)
def _meets(one: str, two: str) -> bool:
    if not one or not two:
        return not (one + two).strip("*")
    if one[0] == "*":
        return _meets(one[1:], two) or _meets(one, two[1:])
    if two[0] == "*":
        return _meets(two, one)
    return (one[0] == two[0] or "?" in (one[0], two[0])) and _meets(one[1:], two[1:])
