"""The cursor: how far a directory's records are acknowledged, and where in the topic the last of them stand."""

import os
from pathlib import Path
from struct import Struct
from typing import Final
from zlib import crc32

import msgspec

CURSOR_NAME: Final = "cursor"
_SLOT_BYTES: Final = 32_768
_HEAD: Final = Struct("<II")


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """Everything up to `sequence` is acknowledged, or given up and counted."""

    sequence: int = 0
    offsets: dict[int, int] = {}
    """Partition → an offset of the topic that everything not acknowledged stands behind, if it stands there at all."""
    written: int = 0
    """Counts the writes; of two readable slots the one with the higher count is the newer."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Cursor).decode


class CursorFile:
    """Two slots, written in turn: whatever a write is interrupted by, the slot before it can be read.

    Brought to the disk itself only on demand: after a power cut more records are looked for in the topic than need be.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / CURSOR_NAME

    def read(self) -> Cursor:
        """Return the newest cursor that is intact; of a directory without one, the beginning. Never raises."""
        try:
            data = self.path.read_bytes()
        except OSError:
            return Cursor()
        slots = (_read_slot(data[at : at + _SLOT_BYTES]) for at in (0, _SLOT_BYTES))
        return max((slot for slot in slots if slot is not None), key=lambda slot: slot.written, default=Cursor())

    def write(self, cursor: Cursor, *, sync: bool = False) -> bool:
        """Write a cursor whose `written` is one above the last one's. False: the disk would not have it."""
        data = _encode(cursor)
        if len(data) + _HEAD.size > _SLOT_BYTES:
            data = _encode(msgspec.structs.replace(cursor, offsets={}))
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                slot = _HEAD.pack(crc32(data), len(data)) + data
                complete = os.pwrite(file, slot, cursor.written % 2 * _SLOT_BYTES) == len(slot)
                if sync:
                    os.fdatasync(file)
                return complete
            finally:
                os.close(file)
        except OSError:
            return False


def _read_slot(data: bytes) -> Cursor | None:
    if len(data) < _HEAD.size:
        return None
    crc, size = _HEAD.unpack_from(data)
    encoded = data[_HEAD.size : _HEAD.size + size]
    if len(encoded) != size or not size or crc32(encoded) != crc:
        return None
    try:
        return _decode(encoded)
    except msgspec.MsgspecError:
        return None
