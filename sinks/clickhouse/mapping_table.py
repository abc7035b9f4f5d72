"""The table `mappings`: entries are recorded and read, never changed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tokentrail.processors.mappings import MappingEntry, RecordedMapping
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors

_ENTRY = ("dimension", "value", "target", "target_value", "valid_from", "valid_until", "note")


def record_mappings(settings: Settings, entries: Sequence[MappingEntry], recorded_by: str) -> datetime:
    """Record entries, all or none, and return the moment under which they stand. Blocking.

    Raises:
        AttributionError: an entry means nothing; none was recorded.
        EngineError: the engine cannot be reached or refuses.
    """
    for entry in entries:
        entry.check()
    client = connect(settings)
    try:
        with engine_errors(settings):
            # The engine's clock: that of whoever types may be another one's past.
            now_us = int(client.query("SELECT toUnixTimestamp64Micro(now64(6))").result_rows[0][0])
            recorded_at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=now_us)
            client.insert(
                "mappings",
                [
                    (recorded_at, position, recorded_by, *(getattr(entry, name) for name in _ENTRY))
                    for position, entry in enumerate(entries)
                ],
                ("recorded_at", "position", "recorded_by", *_ENTRY),
                database=settings.clickhouse_database,
            )
    finally:
        client.close()
    return recorded_at


def read_recorded_mappings(settings: Settings) -> list[RecordedMapping]:
    """Read every entry, the newest last. Blocking.

    Raises:
        EngineError: the engine cannot be reached or refuses.
    """
    columns = ("recorded_at", "position", "recorded_by", *_ENTRY)
    client = connect(settings, as_reader=True)
    try:
        with engine_errors(settings):
            client.database = settings.clickhouse_database
            answer = client.query(f"SELECT {', '.join(columns)} FROM mappings ORDER BY recorded_at, position")  # noqa: S608 - names of ours
    finally:
        client.close()
    rows = [dict(zip(columns, row, strict=True)) for row in answer.result_rows]
    return [RecordedMapping(**{**row, "recorded_at": row["recorded_at"].replace(tzinfo=UTC)}) for row in rows]
