"""Rows of the tables `alerts` and `alert_controls`, column by column. No I/O."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

import pyarrow as pa

from tokentrail.processors.alert_marks import DeliveredAlert
from tokentrail.processors.alert_order import LogRecord
from tokentrail.schemas.alert_controls import Acknowledgement, Silence

MAX_ROWS: Final = 10_000
_INSTANT: Final = pa.timestamp("us", "UTC")
_NAMES: Final = pa.list_(pa.string())

ALERTS: Final = pa.schema(
    [
        ("kafka_partition", pa.uint32()),
        ("kafka_offset", pa.uint64()),
        ("detected_at", pa.timestamp("ms", "UTC")),
        ("occurred_at", _INSTANT),
        ("delay_ms", pa.int64()),
        ("incident_id", pa.string()),
        ("silenced_by", _NAMES),
        ("schema_version", pa.string()),
        ("alert_id", pa.string()),
        ("revision", pa.uint32()),
        ("state", pa.string()),
        ("rule", pa.string()),
        ("rule_version", pa.string()),
        ("rule_group", pa.string()),
        ("severity", pa.string()),
        ("dimension", pa.string()),
        ("entity", pa.string()),
        ("metric", pa.string()),
        ("condition", pa.string()),
        ("filter", pa.string()),
        ("value", pa.float64()),
        ("baseline", pa.float64()),
        ("threshold", pa.float64()),
        ("window_s", pa.uint32()),
        ("started_at", _INSTANT),
        ("evidence", _NAMES),
        ("summary", pa.string()),
        ("recommendation", pa.string()),
        ("runbook_url", pa.string()),
        ("action_required", pa.bool_()),
    ]
)
_OTHER_NAMES: Final = {"rule_group": "group", "filter": "where"}
"""Columns whose field is named by a word of SQL."""

CONTROLS: Final = pa.schema(
    [
        ("kafka_partition", pa.uint32()),
        ("kafka_offset", pa.uint64()),
        ("appended_at", pa.timestamp("ms", "UTC")),
        ("schema_version", pa.string()),
        ("kind", pa.string()),
        ("control_id", pa.string()),
        ("alert_id", pa.string()),
        ("acknowledged_by", pa.string()),
        ("acknowledged_at", _INSTANT),
        ("note", pa.string()),
        ("rules", _NAMES),
        ("severities", _NAMES),
        ("dimensions", _NAMES),
        ("entities", _NAMES),
        ("starts_at", _INSTANT),
        ("ends_at", _INSTANT),
        ("created_by", pa.string()),
        ("reason", pa.string()),
        ("ended_by", pa.string()),
    ]
)


def alert_blocks(delivered: Sequence[DeliveredAlert]) -> Iterator[pa.Table]:
    """Cut state changes, in their order, into blocks of one month: an insert is then one part, or none."""
    return _blocks([_alert_row(one) for one in delivered], "detected_at", ALERTS)


def control_blocks(records: Sequence[LogRecord]) -> Iterator[pa.Table]:
    """Cut controls into blocks of one month each."""
    return _blocks([_control_row(record) for record in records], "appended_at", CONTROLS)


def _blocks(rows: list[dict[str, Any]], clock: str, schema: pa.Schema) -> Iterator[pa.Table]:
    for _, group in groupby(rows, key=lambda row: (row[clock].year, row[clock].month)):
        same_month = list(group)
        for first in range(0, len(same_month), MAX_ROWS):
            yield pa.Table.from_pylist(same_month[first : first + MAX_ROWS], schema)


def _alert_row(delivered: DeliveredAlert) -> dict[str, Any]:
    row = {name: getattr(delivered.alert, _OTHER_NAMES.get(name, name), None) for name in ALERTS.names}
    row.update(
        kafka_partition=delivered.partition,
        kafka_offset=delivered.offset,
        detected_at=delivered.detected_at,
        delay_ms=delivered.delay_ms,
        incident_id=delivered.incident_id,
        silenced_by=list(delivered.silenced_by),
        state=delivered.alert.state.value,
        severity=delivered.alert.severity.value,
    )
    return row


def _control_row(record: LogRecord) -> dict[str, Any]:
    control = record.content
    fields = {field.name: field.type for field in CONTROLS}
    row = {name: getattr(control, name, _absent(kind)) for name, kind in fields.items()}
    row.update(
        kafka_partition=record.partition,
        kafka_offset=record.offset,
        appended_at=datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=record.appended_ms),
        kind=_KINDS[type(control)],
    )
    return row


_KINDS: Final = {Acknowledgement: "acknowledgement", Silence: "silence"}


def _absent(kind: pa.DataType) -> Any:
    if pa.types.is_string(kind):
        return ""
    return [] if pa.types.is_list(kind) else None
