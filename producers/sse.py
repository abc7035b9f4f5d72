"""Server-sent events, read beside the stream: pieces of any size go in, whole `data` payloads come out."""

from typing import Final

MAX_EVENT_BYTES: Final = 8_388_608
"""A longer event is skipped; the stream itself is not touched."""


class SseParser:
    """An incremental parser (HTML Living Standard, "event stream interpretation"), for `data` fields alone."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._pending_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._skip_line = False
        self._held_cr = False
        self.skipped_events = 0
        """Events too long to be read."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next piece; return the payloads it completes."""
        if self._held_cr and chunk:
            self._held_cr = False
            chunk = b"\r" + chunk
        if chunk.endswith(b"\r"):  # its \n may follow in the next piece
            self._held_cr = True
            chunk = chunk[:-1]
        if not chunk:
            return []
        lines = chunk.splitlines(keepends=True)
        rest = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        payloads: list[bytes] = []
        for line in lines:
            self._take_line(line.rstrip(b"\r\n"), payloads)
        self._hold(rest)
        return payloads

    def close(self) -> list[bytes]:
        """Return the payload of an event that the stream ended in the middle of, if it has one."""
        payloads: list[bytes] = []
        self._held_cr = False
        if self._pieces:
            self._take_line(b"", payloads)
        self._dispatch(payloads)
        return payloads

    def _hold(self, rest: bytes) -> None:
        if not rest:
            return
        self._pending_bytes += len(rest)
        if self._pending_bytes > MAX_EVENT_BYTES:
            self._pieces.clear()
            self._skip_line = True
        elif not self._skip_line:
            self._pieces.append(rest)

    def _take_line(self, line: bytes, payloads: list[bytes]) -> None:
        skip = self._skip_line
        if self._pieces:
            self._pieces.append(line)
            line = b"".join(self._pieces)
            self._pieces.clear()
        self._pending_bytes = 0
        self._skip_line = False
        if skip:
            self._data_bytes = MAX_EVENT_BYTES + 1
        elif not line:
            self._dispatch(payloads)
        elif line.startswith(b"data:"):
            data = line[6:] if line.startswith(b"data: ") else line[5:]
            self._data_bytes += len(data)
            if self._data_bytes <= MAX_EVENT_BYTES:
                self._data.append(data)

    def _dispatch(self, payloads: list[bytes]) -> None:
        if self._data_bytes > MAX_EVENT_BYTES:
            self.skipped_events += 1
        elif self._data:
            payloads.append(b"\n".join(self._data))
        self._data = []
        self._data_bytes = 0
