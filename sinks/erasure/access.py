"""Access: what the ledger holds of a person, for that person. Blocking."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.erasure.opened_log import sealed_opener
from tokentrail.sinks.erasure.subject import Subject
from tokentrail.sinks.erasure.subject_keys import SubjectKeys
from tokentrail.sinks.erasure.traces import QUIET, Traces


def read_everything(settings: Settings, subject: Subject) -> dict[str, Any]:
    """Return the subject's calls, events as they were recorded, and alerts that name it; all held in memory.

    Raises:
        EngineError: the engine cannot be reached or refuses.
        KeyStoreError: the key store cannot be read.
    """
    client = connect(settings)
    try:
        with engine_errors(settings):
            client.database = settings.clickhouse_database
            key_ids = _key_ids(settings, subject)
            traces = Traces(client, settings.clickhouse_database, subject, "")
            return {
                "subject": subject.name,
                "database": settings.clickhouse_database,
                "at": datetime.now(UTC),
                "calls": _rows(client, "calls", subject.of_calls, traces.parameters, "time"),
                "events": _events(client, settings, traces, key_ids),
                "alerts": _rows(client, "alerts", traces.of_alerts, traces.parameters, "detected_at"),
                "alert_controls": _rows(client, "alert_controls", traces.of_controls, traces.parameters, "appended_at"),
            }
    finally:
        client.close()


def _key_ids(settings: Settings, subject: Subject) -> list[bytes]:
    if settings.subject_keys is None:
        return []
    keys = SubjectKeys(settings.subject_keys)
    try:
        key_id = keys.find(subject.name)
    finally:
        keys.close()
    return [] if key_id is None else [key_id]


def _rows(client: Client, table: str, condition: str, parameters: dict[str, str], order: str) -> list[dict[str, Any]]:
    query = f"SELECT * FROM {table} WHERE {condition} ORDER BY {order}, kafka_partition, kafka_offset"  # noqa: S608  # names of ours
    return list(client.query(query, parameters, QUIET).named_results())


def _events(client: Client, settings: Settings, traces: Traces, key_ids: list[bytes]) -> list[Any]:
    rows = client.query(
        "SELECT kafka_partition, kafka_offset, payload, subject_key_id, sealed FROM event_log "  # noqa: S608  # conditions of ours
        f"WHERE {traces.sealed_with(key_ids)} OR {traces.unsealed} "
        "ORDER BY appended_at, kafka_partition, kafka_offset",
        traces.parameters,
        QUIET,
        column_formats={"payload": "bytes", "sealed": "bytes", "subject_key_id": "bytes"},
    ).result_rows
    with sealed_opener(settings.subject_keys) as opener:
        return [
            _decoded(opener.open(partition, [offset], [payload], [key_id], [sealed])[0])
            for partition, offset, payload, key_id, sealed in rows
        ]


def _decoded(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except msgspec.MsgspecError:
        return payload.decode(errors="replace")
