"""Blocks as they are inserted: what is archived, sealed where there are keys, and beside it what `calls` wants."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

import pyarrow as pa

from tokentrail.processors.sealing import cut_out, seal
from tokentrail.settings import Settings
from tokentrail.sinks.erasure.opened_log import SealedOpener
from tokentrail.sinks.erasure.subject_keys import KEY_ID_BYTES, NO_KEY, SubjectKey, SubjectKeys

PLAIN: Final = ""
SEALED: Final = "sealed"
ERASED: Final = "erased"
_SUBJECT: Final = "subject"
_ADDED: Final = pa.schema(
    [
        ("payload", pa.binary()),
        ("seal", pa.string()),
        ("subject_key_id", pa.binary(KEY_ID_BYTES)),
        ("sealed", pa.binary()),
        ("plain", pa.binary()),
    ]
)
ARCHIVED_COLUMNS: Final = (
    "kafka_partition", "kafka_offset", "appended_at", "occurred_at", "event_type", "rejection", "rate_id", "payload",
    "payload_sha256", "seal", "subject_key_id", "sealed",
)  # fmt: skip
"""Of event_log: what `opened` takes."""
_Row = tuple[bytes, str, bytes, bytes, bytes]
"""payload, seal, subject_key_id, sealed, plain."""


class BlockSealer:
    """Makes rows of `events_in` out of a block's; opens the key store when it is first needed. Blocking."""

    def __init__(self, settings: Settings) -> None:
        self._directory = settings.subject_keys
        self._kept = settings.kept_attribute_names()
        self._keys: SubjectKeys | None = None

    def close(self) -> None:
        """Close the key store; the next call opens it again."""
        keys, self._keys = self._keys, None
        if keys is not None:
            keys.close()

    @contextmanager
    def sealed(self, rows: pa.Table) -> Iterator[pa.Table]:
        """Give the rows as they are to be inserted before this ends: an erasure waits for that.

        Raises:
            KeyStoreError: the key store cannot be used.
        """
        with self.inserting():
            yield self._seal(rows)

    @contextmanager
    def opened(self, rows: pa.Table) -> Iterator[pa.Table]:
        """Give archived rows as they are to be inserted once more for `calls` alone: opened where their key still is.

        Raises:
            KeyStoreError: the key store cannot be used.
            LedgerError: a sealed part was altered.
        """
        with self.inserting():
            columns = [rows[name].to_pylist() for name in ("payload", "subject_key_id", "sealed")]
            offsets = rows["kafka_offset"].to_pylist()
            partition = rows["kafka_partition"][0].as_py() if rows.num_rows else 0
            plain = SealedOpener(self._keys).open(partition, offsets, *columns)
            archived = pa.array([True] * rows.num_rows, pa.bool_())
            yield rows.append_column("plain", pa.array(plain, pa.binary())).append_column("archived", archived)

    @contextmanager
    def inserting(self) -> Iterator[None]:
        """Hold erasures back, which replace whole months of rollups; waits for one that is at it.

        Raises:
            KeyStoreError: the key store cannot be used.
        """
        if self._directory is not None and self._keys is None:
            self._keys = SubjectKeys(self._directory)
        with self._keys.inserting() if self._keys is not None else nullcontext():
            yield

    def _seal(self, rows: pa.Table) -> pa.Table:
        if self._keys is None:
            return _unsealed(rows)
        payloads = rows["payload"].to_pylist()
        subjects = rows[_SUBJECT].to_pylist()
        keys = self._keys.for_subjects(filter(None, subjects))
        places = zip(
            rows["kafka_partition"].to_pylist(),
            rows["kafka_offset"].to_pylist(),
            rows["appended_at"].cast(pa.int64()).to_pylist(),
            strict=True,
        )
        sealed = [
            seal_row(payload, keys.get(subject), place, self._kept)
            for payload, subject, place in zip(payloads, subjects, places, strict=True)
        ]
        table = rows.drop_columns([_SUBJECT, "payload"])
        for field, column in zip(_ADDED, zip(*sealed, strict=True) if sealed else ((),) * len(_ADDED), strict=True):
            table = table.append_column(field, pa.array(column, field.type))
        return table


def _unsealed(rows: pa.Table) -> pa.Table:
    """Return what `seal_row` makes of every row without a key, column by column."""
    table = rows.drop_columns([_SUBJECT])
    for name, value in (("seal", PLAIN), ("subject_key_id", NO_KEY), ("sealed", b""), ("plain", b"")):
        column = pa.repeat(pa.scalar(value, _ADDED.field(name).type), rows.num_rows)
        table = table.append_column(name, column)
    return table


def seal_row(
    payload: bytes, key: SubjectKey | None, place: tuple[int, int, int], kept_attributes: Collection[str]
) -> _Row:
    """Return what `events_in` gets of a payload: it and nothing beside it where it is nobody's.

    `place` is partition, offset and time of appending in ms.
    """
    partition, offset, appended_ms = place
    if key is None:
        return payload, PLAIN, NO_KEY, b"", b""
    cut = cut_out(payload, kept_attributes)
    if not cut.pieces:
        return payload, PLAIN, NO_KEY, b"", b""
    if appended_ms <= key.erased_until_ms:
        return cut.public, ERASED, NO_KEY, b"", b""
    return cut.public, SEALED, key.key_id, seal(cut.pieces, key.cipher, partition, offset), payload
