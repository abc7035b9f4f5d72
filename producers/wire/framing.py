"""Cuts the body of an answer into payloads while it passes: pieces of any size go in, whole messages come out."""

from functools import lru_cache
from typing import Final, Protocol

from tokentrail.producers.sse import SseParser
from tokentrail.producers.wire.event_stream import EventStreamFramer
from tokentrail.producers.wire.json_array import JsonArrayFramer
from tokentrail.producers.wire.json_lines import JsonLinesFramer

MAX_BODY_BYTES: Final = 8_388_608
"""Of a longer whole body (files, audio, very many embeddings) nothing is read."""
_LINES: Final = (b"application/x-ndjson", b"application/jsonl", b"application/stream+json", b"application/json-lines")
_ARRAYS: Final = (":streamGenerateContent",)
"""Gemini's stream without `alt=sse`: one JSON array, called application/json like any whole body."""


class Framer(Protocol):
    """Cuts one body. Never raises; holds no more than 8 MiB, and skips what is longer."""

    whole: bool
    """True: its one payload is a whole body, for `read_answer`. False: payloads are for `read_chunk`."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes of the body, decompressed; return the payloads they complete."""

    def close(self) -> list[bytes]:
        """Return what the end of the body completes; call once."""


class SseFramer(SseParser):
    """Server-sent events: the payloads are their `data`."""

    whole = False


class WholeFramer:
    """A body that is one message."""

    whole = True

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._left = MAX_BODY_BYTES

    def feed(self, piece: bytes) -> list[bytes]:
        """Keep the piece; there is nothing to return before the end."""
        self._left -= len(piece)
        if self._left < 0:
            self._pieces.clear()
        elif piece:
            self._pieces.append(piece)
        return []

    def close(self) -> list[bytes]:
        """Return the body, unless it is empty or too long."""
        pieces, self._pieces = self._pieces, []
        return [b"".join(pieces)] if pieces else []


def framer_for(content_type: bytes, endpoint: str = "") -> Framer:
    """Return a framer for an answer with this content type to a request for this path (no query)."""
    return _kind_of_framer(content_type, endpoint.endswith(_ARRAYS))()


@lru_cache(maxsize=64)
def _kind_of_framer(content_type: bytes, is_array: bool) -> type[Framer]:  # noqa: FBT001 - a key of the cache
    kind = content_type.partition(b";")[0].strip().lower()
    if kind == b"text/event-stream":
        return SseFramer
    if kind == b"application/vnd.amazon.eventstream":
        return EventStreamFramer
    if kind in _LINES:
        return JsonLinesFramer
    return JsonArrayFramer if is_array and kind == b"application/json" else WholeFramer
