"""A stream of JSON documents, one a line, as Ollama and Cohere's first API send it."""

from typing import Final

MAX_LINE_BYTES: Final = 8_388_608
"""A longer line is skipped."""


class JsonLinesFramer:
    """Returns every line that is not blank."""

    whole = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self.skipped_lines = 0
        """Lines too long to be read."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes; return the lines they complete."""
        payloads: list[bytes] = []
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._hold(line)
            self._complete(payloads)
        self._hold(rest)
        return payloads

    def close(self) -> list[bytes]:
        """Return the last line, which may have no end."""
        payloads: list[bytes] = []
        self._complete(payloads)
        return payloads

    def _hold(self, part: bytes) -> None:
        self._held_bytes += len(part)
        if self._held_bytes > MAX_LINE_BYTES:
            self._pieces.clear()
        elif part:
            self._pieces.append(part)

    def _complete(self, payloads: list[bytes]) -> None:
        line = b"".join(self._pieces).strip()
        if self._held_bytes > MAX_LINE_BYTES:
            self.skipped_lines += 1
        elif line:
            payloads.append(line)
        self._pieces.clear()
        self._held_bytes = 0
