"""A stream that is one JSON array, element by element, as Gemini sends it without `alt=sse`."""

import re
from typing import Final

MAX_ELEMENT_BYTES: Final = 8_388_608
"""A longer element is skipped."""
_STRING: Final = rb'[^"\\]*+(?:\\.[^"\\]*+)*+("?)'
_REST_OF_STRING: Final = re.compile(_STRING, re.DOTALL)
_SIGNS: Final = re.compile(rb'[{}]|"' + _STRING, re.DOTALL)


class JsonArrayFramer:
    """Returns every object that stands at the top or right inside an array; whatever is between them is passed over."""

    whole = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self.skipped_elements = 0
        """Elements too long to be read."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes; return the elements they complete."""
        payloads: list[bytes] = []
        start = 0
        for match in _SIGNS.finditer(piece, self._pass_string(piece)):
            sign = match[0]
            if sign == b"{":
                if self._depth == 0:
                    start = match.start()
                self._depth += 1
            elif sign != b"}":
                self._leave(match, piece)
            elif self._depth:
                self._depth -= 1
                if self._depth == 0:
                    self._hold(piece[start : match.end()])
                    self._complete(payloads)
        if self._depth:
            self._hold(piece[start:])
        return payloads

    def close(self) -> list[bytes]:
        """Return nothing: an element that is not complete is none."""
        self._pieces.clear()
        return []

    def _pass_string(self, piece: bytes) -> int:
        """Return where the piece goes on behind a string that an earlier piece began."""
        if not self._in_string or not piece:
            return 0
        match = _REST_OF_STRING.match(piece, int(self._escaped))
        if match is None:  # it matches the empty string as well
            return 0
        self._leave(match, piece)
        return match.end() if not self._in_string else len(piece)

    def _leave(self, match: re.Match[bytes], piece: bytes) -> None:
        """Take a string up to its end, or to the piece's: a backslash there belongs to what follows."""
        self._in_string = not match[1]
        self._escaped = self._in_string and match.end() < len(piece)

    def _hold(self, part: bytes) -> None:
        self._held_bytes += len(part)
        if self._held_bytes > MAX_ELEMENT_BYTES:
            self._pieces.clear()
        elif part:
            self._pieces.append(part)

    def _complete(self, payloads: list[bytes]) -> None:
        if self._held_bytes > MAX_ELEMENT_BYTES:
            self.skipped_elements += 1
        else:
            payloads.append(b"".join(self._pieces))
        self._pieces.clear()
        self._held_bytes = 0
