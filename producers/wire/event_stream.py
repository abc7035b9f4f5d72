"""AWS's event-stream frames (`application/vnd.amazon.eventstream`), as Bedrock streams them.

A frame: total length, length of headers, CRC-32 of both; headers; payload; CRC-32 of all before; big-endian. Source:
smithy.io/2.0/aws/amazon-eventstream.html.
"""

import struct
import zlib
from typing import Final

import msgspec

MAX_FRAME_BYTES: Final = 8_388_608
"""AWS allows 16 MiB; a longer frame than this is skipped unread."""
_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_OVERHEAD: Final = 16
_STRING: Final = 7
# Bytes of a header's value by its type; strings and byte arrays say their length themselves.
_VALUE_BYTES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


class EventStreamFramer:
    """Returns every message as a JSON object of one field: its event's (or exception's) name, over its payload.

    So `{"contentBlockDelta": {…}}`, as AWS's own SDKs show it. A frame whose checksum is wrong is skipped; after a
    wrong prelude, whose length cannot be trusted, nothing more is read.
    """

    whole = False

    def __init__(self) -> None:
        self._held = bytearray()
        self._skip_bytes = 0
        self._lost = False
        self.skipped_frames = 0
        """Frames that were damaged or too long."""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes; return the messages they complete."""
        payloads: list[bytes] = []
        held = self._held
        if not self._lost:
            held += piece
        while not self._lost:
            if self._skip_bytes:
                skipped = min(self._skip_bytes, len(held))
                del held[:skipped]
                self._skip_bytes -= skipped
            length = self._frame_length()
            if length > MAX_FRAME_BYTES:
                self.skipped_frames += 1
                self._skip_bytes = length
                continue
            if length == 0 or len(held) < length:
                break
            self._take(bytes(held[:length]), payloads)
            del held[:length]
        return payloads

    def close(self) -> list[bytes]:
        """Return nothing: a frame that is not complete is none."""
        self._held.clear()
        return []

    def _frame_length(self) -> int:
        """Return the length of the frame that begins what is held; 0 where its prelude is not there, or wrong."""
        if self._skip_bytes or len(self._held) < _PRELUDE.size:
            return 0
        length, headers, checksum = _PRELUDE.unpack_from(self._held)
        if zlib.crc32(self._held[:8]) == checksum and length >= _OVERHEAD + headers:
            return int(length)
        self._lost = True
        self._held.clear()
        self.skipped_frames += 1
        return 0

    def _take(self, frame: bytes, payloads: list[bytes]) -> None:
        if zlib.crc32(frame[:-4]) != _CRC.unpack(frame[-4:])[0]:
            self.skipped_frames += 1
            return
        headers_end = 12 + _PRELUDE.unpack_from(frame)[1]
        headers = read_frame_headers(frame[12:headers_end])
        kind = headers.get(":message-type", "event")
        payload = frame[headers_end:-4]
        name = headers.get(":exception-type" if kind == "exception" else ":event-type", "")
        if kind == "error":  # no payload: the code and the message are headers
            name, payload = headers.get(":error-code", "error"), b'{"message":%s}' % _quoted(headers, ":error-message")
        if name and payload[:1] == b"{":
            payloads.append(b"{%s:%s}" % (_quoted({"": name}, ""), payload))


def read_frame_headers(encoded: bytes) -> dict[str, str]:
    """Return the string headers of a frame; headers of other types are passed over, a broken rest is left out."""
    headers: dict[str, str] = {}
    place = 0
    while place < len(encoded):
        name_end = place + 1 + encoded[place]
        if name_end >= len(encoded):
            break
        kind = encoded[name_end]
        value_start = name_end + 1
        if kind in _VALUE_BYTES:
            place = value_start + _VALUE_BYTES[kind]
            continue
        value_end = value_start + 2 + int.from_bytes(encoded[value_start : value_start + 2], "big")
        if value_end > len(encoded):
            break
        if kind == _STRING:
            name = encoded[place + 1 : name_end].decode("utf-8", "replace")
            headers[name] = encoded[value_start + 2 : value_end].decode("utf-8", "replace")
        place = value_end
    return headers


def _quoted(headers: dict[str, str], name: str) -> bytes:
    return msgspec.json.encode(headers.get(name, ""))
