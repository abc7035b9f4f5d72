"""Frames: records as bytes in a segment file, and what can still be read of a damaged one. Pure.

    magic 4 | crc 4 | body length 4 | sequence 8 | key length 2 | headers length 4 | key | headers | value

Little-endian. The CRC-32 covers everything behind it. `sequence` counts the records of one directory from 1. Headers
are empty where they can be had from the value again, else msgpack.
"""

from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from tokentrail.producers.records import Record, are_event_headers, rebuild_headers

MAGIC: Final = b"\xff\xfeTS"
"""0xFF is in no UTF-8 text, and so in no event: what looks like a frame inside a value is none."""
MAX_BODY_BYTES: Final = 16_777_216
"""Four times what the topic takes; a length above it is damage."""
HEAD_BYTES: Final = 26
_PREFIX: Final = Struct("<4sI")
_CHECKED: Final = Struct("<IQHI")
_HEAD: Final = Struct("<4sIIQHI")
_CRC_BYTES: Final = 8
_MAX_KEY_BYTES: Final = 65_535

_encode_headers = msgspec.msgpack.Encoder().encode
_decode_headers = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One record with its place in the directory's sequence."""

    sequence: int
    record: Record


class Found(NamedTuple):
    """What a stretch of bytes holds: the intact frames in order, and how far it is read."""

    frames: list[Frame]
    end: int
    """The first byte that is not read yet."""
    damaged_bytes: int
    """Skipped, because they are no intact frame."""


def encode_frame(sequence: int, record: Record) -> bytes:
    """Return a record as a frame; about 2 µs for 1.5 KB.

    Raises:
        ValueError: the key is longer than 65,535 bytes or the whole longer than MAX_BODY_BYTES.
    """
    key, value = record.key, record.value
    headers = b"" if are_event_headers(record.headers) else _encode_headers(record.headers)
    body_bytes = len(key) + len(headers) + len(value)
    if body_bytes > MAX_BODY_BYTES or len(key) > _MAX_KEY_BYTES:
        raise ValueError(f"a record of {body_bytes} bytes does not fit into a frame")
    checked = b"".join((_CHECKED.pack(body_bytes, sequence, len(key), len(headers)), key, headers, value))
    return _PREFIX.pack(MAGIC, crc32(checked)) + checked


def read_frames(data: bytes, *, at: int = 0, max_frames: int = 2**62, final: bool) -> Found:
    """Return the intact frames of `data` from byte `at` on. Never raises.

    Damaged bytes are skipped up to the next intact frame. `final` says that nothing follows `data`: an unfinished frame
    at its end is damage then; otherwise reading ends before it.
    """
    frames: list[Frame] = []
    damaged = 0
    size = len(data)
    while at < size and len(frames) < max_frames:
        frame, end = _read_frame(data, at)
        if frame is not None:
            frames.append(frame)
        elif end == _UNFINISHED and not final:
            break
        else:
            end = _next_magic(data, at + 1, final=final)
            damaged += end - at
        at = end
    return Found(frames, at, damaged)


_UNFINISHED: Final = -1
_DAMAGED: Final = -2


def _read_frame(data: bytes, at: int) -> tuple[Frame | None, int]:
    """Return the frame at `at` and its end, or None and why not."""
    if len(data) - at < HEAD_BYTES:
        head = data[at : at + len(MAGIC)]
        return None, _UNFINISHED if MAGIC.startswith(head) else _DAMAGED
    magic, crc, body_bytes, sequence, key_bytes, headers_bytes = _HEAD.unpack_from(data, at)
    if magic != MAGIC or body_bytes > MAX_BODY_BYTES or key_bytes + headers_bytes > body_bytes:
        return None, _DAMAGED
    begin = at + HEAD_BYTES
    end = begin + body_bytes
    if end > len(data):
        return None, _UNFINISHED
    if crc32(data[at + _CRC_BYTES : end]) != crc:
        return None, _DAMAGED
    value_at = begin + key_bytes + headers_bytes
    value = data[value_at:end]
    try:
        headers = _decode_headers(data[begin + key_bytes : value_at]) if headers_bytes else rebuild_headers(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        headers = []  # the value is what it was, and goes on its way
    return Frame(sequence, Record(data[begin : begin + key_bytes], value, headers)), end


def _next_magic(data: bytes, at: int, *, final: bool) -> int:
    """Return where the next frame may begin; what is before it is damage."""
    found = data.find(MAGIC, at)
    if found >= 0:
        return found
    if final:
        return len(data)
    for kept in range(len(MAGIC) - 1, 0, -1):  # the data may end inside a magic
        if len(data) - kept >= at and data.endswith(MAGIC[:kept]):
            return len(data) - kept
    return len(data)
