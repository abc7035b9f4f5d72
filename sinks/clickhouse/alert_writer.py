"""The alert writer: llm.alerts and llm.alert-controls into ClickHouse, each state change once, whatever dies.

Any number of processes stand for it; the one that Kafka gives the only partition of llm.alert-controls does the work,
for all partitions of llm.alerts: which incident an alert belongs to depends on all that came before it. The tables say
how far they are; nothing is committed to Kafka.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

import pyarrow as pa
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from tokentrail.errors import BrokerError, TokentrailError
from tokentrail.kafka_security import kafka_options
from tokentrail.processors.alert_marks import AlertMarks, DeliveredAlert
from tokentrail.processors.alert_order import LogRecord, OrderedLog, open_ordered_log
from tokentrail.processors.maintenance_file import MaintenanceFile
from tokentrail.processors.whole_topics import broker_errors, open_topics
from tokentrail.schemas import topics
from tokentrail.schemas.alerts import Alert
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.alert_rows import alert_blocks, control_blocks
from tokentrail.sinks.clickhouse.alert_tables import ALERTS, CONTROLS, AlertTables, Stored

RETRY_S: Final = 5.0
RELEASE_S: Final = 20
"""How long the next writer waits for this one's insert."""
SESSION_S: Final = 6
"""How long a writer that was killed holds its place."""

_log = logging.getLogger(__name__)


class AlertWriter(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Stands for the work, and does it when it is chosen. `run` ends when `stop` is called."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tables = AlertTables(settings, settings.group("alert-ledger"))
        self._stopping = asyncio.Event()
        self._released = asyncio.Event()
        """Set when this writer is no longer the chosen one; the next time has an event of its own."""
        self._consumer: AIOKafkaConsumer | None = None
        self._working: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Let `run` finish what is being written, and return."""
        self._stopping.set()
        self._released.set()

    async def run(self) -> None:
        """Work until stopped. While Kafka, ClickHouse, a topic or a table is away, log it and try again."""
        try:
            while not self._stopping.is_set():
                try:
                    await self._stand()
                except (TokentrailError, KafkaError) as error:
                    _log.warning("Alerts cannot be written for now, trying again: %s", error)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), RETRY_S)
        finally:
            self._tables.close()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002 - there is one
        """Stop working before somebody else begins."""
        await self._release()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Begin to work, if chosen."""
        if not assigned or self._consumer is None or self._stopping.is_set():
            return
        self._consumer.pause(*assigned)
        self._released = asyncio.Event()
        self._working = asyncio.create_task(self._work(self._released))

    async def _stand(self) -> None:
        topic = self._settings.topic(topics.ALERT_CONTROLS.name)
        async with open_topics(self._settings, [topics.ALERT_CONTROLS.name]):
            pass  # a topic that is not there is told, and not made by asking for it
        consumer = AIOKafkaConsumer(
            **kafka_options(self._settings),
            group_id=self._settings.group("alert-ledger"),
            enable_auto_commit=False,
            session_timeout_ms=SESSION_S * 1000,
            heartbeat_interval_ms=2_000,
            rebalance_timeout_ms=(RELEASE_S + 10) * 1000,
        )
        self._consumer = consumer
        try:
            with broker_errors(self._settings, [topic]):
                await consumer.start()
                consumer.subscribe([topic], listener=self)
                while not self._stopping.is_set():
                    # Nothing comes of it: what is assigned is paused. Kafka wants to see that we are there.
                    await consumer.getmany(timeout_ms=500)
                    if self._working is not None and self._working.done():
                        self._working.result()
        finally:
            await self._release()
            await consumer.stop()

    async def _release(self) -> None:
        self._released.set()
        working, self._working = self._working, None
        if working is not None:
            await asyncio.wait([working], timeout=RELEASE_S)
            if not working.done():
                working.cancel()
            elif not working.cancelled() and (error := working.exception()):
                _log.warning("The alert writer stopped working: %s", error)

    async def _work(self, released: asyncio.Event) -> None:
        stored = await asyncio.to_thread(self._tables.recover)
        maintenance = MaintenanceFile(self._settings.rules)
        marks = AlertMarks()
        async with open_ordered_log(self._settings) as log:
            self._require_same_topic(log, stored)
            records = await log.take_history()
            while not released.is_set():
                marks.maintenance = maintenance.windows()
                for table, block in self._blocks(records, marks, stored):
                    if released.is_set():
                        return
                    await asyncio.to_thread(self._tables.insert, table, block)
                records = await log.take(500)

    def _blocks(self, records: list[LogRecord], marks: AlertMarks, stored: Stored) -> Iterator[tuple[str, pa.Table]]:
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

    def _require_same_topic(self, log: OrderedLog, stored: Stored) -> None:
        for partition, last in stored.alerts.items():
            end = log.ends_at_open.get(partition, 0)
            if end <= last:
                raise BrokerError(
                    f"{self._settings.topic(topics.ALERTS.name)}[{partition}] is not the topic that the table alerts "
                    f"was filled from: Kafka's end offset is {end}, the table's last {last}. It was created anew or "
                    "lost data; name a new database for it (TOKENTRAIL_CLICKHOUSE_DATABASE)."
                )
