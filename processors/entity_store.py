"""The entity store: live entities of one destination partition, over a table of bytes that survives the process."""

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, Final

import msgspec

from tokentrail.processors.entities import Entity, Glimpse, Remembered
from tokentrail.processors.views import SEPARATOR, route_entity
from tokentrail.processors.watching import EntityKey, WatchMark

_encode = msgspec.msgpack.Encoder().encode
_decode_entity = msgspec.msgpack.Decoder(Entity | Glimpse).decode

FORMAT: Final = b"3"
"""Leads every key; another layout takes another letter, and leaves this one's rows alone."""
COOL_AFTER: Final = 120
"""Saves after which an entity that has not changed is kept as bytes only."""


class StoredMark(msgspec.Struct, array_like=True):
    """A partition's mark, and the wall clock at which it was written."""

    mark: WatchMark
    written_ms: int


_decode_mark = msgspec.msgpack.Decoder(StoredMark).decode


class EntityStore(MutableMapping[EntityKey, Remembered]):
    """Loads an entity from the table at first use and keeps it live while it changes; `save` writes changes back."""

    def __init__(self, table: MutableMapping[bytes, bytes], partition: int) -> None:
        self._table = table
        self._live: dict[EntityKey, Remembered] = {}
        self._mark_key = FORMAT + b"mark:%d" % partition
        self._partition = partition
        self._saves = 0
        self._changed_at: dict[EntityKey, int] = {}
        """For each live entity, the save that last wrote it, or the one after which it was loaded."""

    def load_mark(self) -> StoredMark | None:
        """Return the mark of the last save, if there was one."""
        stored = self._table.get(self._mark_key)
        return None if stored is None else _decode_mark(stored)

    def stored_keys(self, partitions: int) -> Iterator[EntityKey]:
        """Yield every entity that the table holds of this partition; there are `partitions` of them."""
        for key in list(self._table):
            if key[:1] == FORMAT and not key.startswith(FORMAT + b"mark:"):
                view, _, entity = key[1:].decode("utf-8", "surrogatepass").partition(SEPARATOR)
                if route_entity(view, entity, partitions) == self._partition:
                    yield view, entity

    def save(self, keys: Iterable[EntityKey], mark: WatchMark, now_ms: int) -> list[tuple[bytes, bytes | None]]:
        """Put entities and the mark into the table; returns the rows that the table's changelog must get, in order.

        A row without a value deletes. The mark is the last: a crash in between leaves entities ahead of it, which is
        harmless. Entities that have not changed for a while are kept as bytes only from here on.
        """
        self._saves += 1
        rows: list[tuple[bytes, bytes | None]] = []
        for key in keys:
            encoded_key, entity = _encode_key(key), self._live.get(key)
            if entity is None:
                rows.append((encoded_key, None))
                self._table.pop(encoded_key, None)
                continue
            encoded = _encode(entity)
            rows.append((encoded_key, encoded))
            self._table[encoded_key] = encoded
            self._changed_at[key] = self._saves
        encoded_mark = _encode(StoredMark(mark, now_ms))
        rows.append((self._mark_key, encoded_mark))
        self._table[self._mark_key] = encoded_mark
        if self._saves % COOL_AFTER == 0:
            self._cool()
        return rows

    def _cool(self) -> None:
        before = self._saves - COOL_AFTER
        for key in [key for key, saved in self._changed_at.items() if saved <= before]:
            del self._changed_at[key]
            self._live.pop(key, None)

    def get(self, key: EntityKey, default: Any = None) -> Any:  # typed as in Mapping, which has three signatures
        """Return an entity, or the default; asked for every second of every entity."""
        entity = self._live.get(key)
        if entity is None:
            stored = self._table.get(_encode_key(key))
            if stored is None:
                return default
            entity = self._live[key] = _decode_entity(stored)
            self._changed_at[key] = self._saves
        return entity

    def __getitem__(self, key: EntityKey) -> Remembered:
        entity: Remembered | None = self.get(key)
        if entity is None:
            raise KeyError(key)
        return entity

    def __setitem__(self, key: EntityKey, entity: Remembered) -> None:
        self._live[key] = entity
        self._changed_at[key] = self._saves

    def __delitem__(self, key: EntityKey) -> None:
        """Forget an entity; the table's row goes with the next save that names it."""
        found = self._live.pop(key, None)
        self._changed_at.pop(key, None)
        if self._table.pop(_encode_key(key), None) is None and found is None:
            raise KeyError(key)

    def __iter__(self) -> Iterator[EntityKey]:
        return iter(self._live)

    def __len__(self) -> int:
        return len(self._live)


def _encode_key(key: EntityKey) -> bytes:
    return FORMAT + SEPARATOR.join(key).encode("utf-8", "surrogatepass")
