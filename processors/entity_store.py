"""The entity store: live entities of one destination partition, over a table of bytes that survives the process."""

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Final

import msgspec

from tokentrail.processors.entities import Entity
from tokentrail.processors.groupings import SEPARATOR
from tokentrail.processors.watching import EntityKey, WatchMark

_encode = msgspec.msgpack.Encoder().encode
_decode_entity = msgspec.msgpack.Decoder(Entity).decode

FORMAT: Final = b"1"
"""Leads every key; a later layout takes another letter and reads this one."""


class StoredMark(msgspec.Struct, array_like=True):
    """A partition's mark, and the wall clock at which it was written."""

    mark: WatchMark
    written_ms: int


_decode_mark = msgspec.msgpack.Decoder(StoredMark).decode


class EntityStore(MutableMapping[EntityKey, Entity]):
    """Loads an entity from the table at first use and keeps it live; `save` writes changed ones back."""

    def __init__(self, table: MutableMapping[bytes, bytes], partition: int) -> None:
        self._table = table
        self._live: dict[EntityKey, Entity] = {}
        self._mark_key = FORMAT + b"mark:%d" % partition

    def load_mark(self) -> StoredMark | None:
        """Return the mark of the last save, if there was one."""
        stored = self._table.get(self._mark_key)
        return None if stored is None else _decode_mark(stored)

    def save(self, keys: Iterable[EntityKey], mark: WatchMark, now_ms: int) -> list[tuple[bytes, bytes]]:
        """Put entities and the mark into the table; returns the rows that the table's changelog must get, in order.

        The mark is the last: a crash in between leaves entities ahead of it, which is harmless.
        """
        rows = [(_encode_key(key), _encode(self._live[key])) for key in keys]
        rows.append((self._mark_key, _encode(StoredMark(mark, now_ms))))
        self._table.update(rows)
        return rows

    def __getitem__(self, key: EntityKey) -> Entity:
        entity = self._live.get(key)
        if entity is None:
            stored = self._table.get(_encode_key(key))
            if stored is None:
                raise KeyError(key)
            entity = self._live[key] = _decode_entity(stored)
        return entity

    def __setitem__(self, key: EntityKey, entity: Entity) -> None:
        self._live[key] = entity

    def __delitem__(self, key: EntityKey) -> None:
        del self._live[key]

    def __iter__(self) -> Iterator[EntityKey]:
        return iter(self._live)

    def __len__(self) -> int:
        return len(self._live)


def _encode_key(key: EntityKey) -> bytes:
    return FORMAT + SEPARATOR.join(key).encode("utf-8", "surrogatepass")
