"""The alert writer: llm.alerts and llm.alert-controls into ClickHouse, each state change once, whatever dies.

Any number of processes stand for it; the one that Kafka gives the only partition of llm.alert-controls does the work,
for all partitions of llm.alerts: which incident an alert belongs to depends on all that came before it. The tables say
how far they are; nothing is committed to Kafka.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from tokentrail.errors import BrokerError
from tokentrail.processors.alert_marks import AlertMarks, DeliveredAlert
from tokentrail.processors.alert_order import LogRecord, OrderedLog, open_ordered_log
from tokentrail.processors.maintenance_file import MaintenanceFile
from tokentrail.schemas import topics
from tokentrail.schemas.alerts import Alert
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.alert_rows import alert_blocks, control_blocks
from tokentrail.sinks.clickhouse.alert_tables import ALERTS, CONTROLS, AlertTables, Stored
from tokentrail.sinks.clickhouse.sole_worker import SoleWorker

_GROUP: Final = "alert-ledger"


def alert_writer(settings: Settings) -> SoleWorker:
    """Return the worker that writes alerts; of all processes that run one, one works.

    While Kafka, ClickHouse, a topic or a table is away, it says so in the log and tries again.
    """

    async def work(released: asyncio.Event) -> None:
        tables = AlertTables(settings, settings.group(_GROUP))
        try:
            await _write(settings, tables, released)
        finally:
            tables.close()

    return SoleWorker(settings, _GROUP, "Alerts cannot be written", work)


async def _write(settings: Settings, tables: AlertTables, released: asyncio.Event) -> None:
    stored = await asyncio.to_thread(tables.recover)
    maintenance = MaintenanceFile(settings.rules)
    marks = AlertMarks()
    async with open_ordered_log(settings) as log:
        _require_same_topic(settings, log, stored)
        records = await log.take_history()
        while not released.is_set():
            marks.maintenance = maintenance.windows()
            for table, block in _blocks(records, marks, stored):
                if released.is_set():
                    return
                await asyncio.to_thread(tables.insert, table, block)
            records = await log.take(500)


def _blocks(records: list[LogRecord], marks: AlertMarks, stored: Stored) -> Iterator[tuple[str, pa.Table]]:
    """Return what of these records the tables lack."""
    changes: list[DeliveredAlert] = []
    controls: list[LogRecord] = []
    for record in records:
        new = marks.follow(record)
        if not isinstance(record.content, Alert):
            if record.offset > stored.controls.get(record.partition, -1):
                controls.append(record)
        elif new and record.offset > stored.alerts.get(record.partition, -1):
            changes.append(marks.describe(record.content, record.partition, record.offset, record.appended_ms))
    for block in control_blocks(controls):
        yield CONTROLS, block
    for block in alert_blocks(changes):
        yield ALERTS, block


def _require_same_topic(settings: Settings, log: OrderedLog, stored: Stored) -> None:
    for partition, last in stored.alerts.items():
        end = log.ends_at_open.get(partition, 0)
        if end <= last:
            raise BrokerError(
                f"{settings.topic(topics.ALERTS.name)}[{partition}] is not the topic that the table alerts "
                f"was filled from: Kafka's end offset is {end}, the table's last {last}. It was created anew or "
                "lost data; name a new database for it (TOKENTRAIL_CLICKHOUSE_DATABASE)."
            )
