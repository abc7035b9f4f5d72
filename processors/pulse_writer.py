"""The pulse writer: asks the broker how far the partitions are, and writes the watermark records that `Pulse` wants."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from tokentrail.kafka_security import kafka_options
from tokentrail.processors.budget_rules import load_active_rules
from tokentrail.processors.pulse import LINGER_MS, Pulse
from tokentrail.processors.record_batches import BatchingApp
from tokentrail.schemas import topics
from tokentrail.schemas.events import SCHEMA_VERSION, Watermark
from tokentrail.settings import Settings

POLL_S: Final = 0.25
ANSWER_S: Final = 2.0
"""A broker that takes longer to say its offsets counts as out of contact."""

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class PulseWriter:
    """Runs inside the slice worker; works only while that worker owns partition 0."""

    def __init__(self, app: BatchingApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._topic = settings.topic(topics.CALLS.name)
        rules = load_active_rules(settings.rules, settings.budgets)
        longest_s = max((rule.window_s + rule.for_s + rule.keep_firing_for_s for rule in rules), default=0)
        # Long enough for every open alert to resolve.
        self._pulse = Pulse(settings.idle_after_ms, LINGER_MS + 1000 * longest_s)
        self._client: AIOKafkaConsumer | None = None
        app.task(self._beat)

    async def _beat(self) -> None:
        while not self._app.should_stop:
            if TP(self._topic, 0) in self._app.consumer.assignment():
                try:
                    async with asyncio.timeout(ANSWER_S):
                        await self._write_due()
                except Exception as error:  # noqa: BLE001 - whatever it is, contact is lost; the next beat tries again
                    _log.warning("No watermark records for now: %r", error)
                    await self._lose_contact()
            else:
                await self._lose_contact()
            await self._app.sleep(POLL_S)
        await self._lose_contact()

    async def _write_due(self) -> None:
        client = await self._connect()
        partitions = [TopicPartition(self._topic, number) for number in client.partitions_for_topic(self._topic) or ()]
        now_ms = time.time_ns() // 1_000_000
        ends = await client.end_offsets(partitions)
        due = self._pulse.observe(now_ms, {tp.partition: end for tp, end in ends.items()})
        producer = await self._app.maybe_start_producer()
        for partition, watermark_ms in due.items():
            record = Watermark(
                schema_version=SCHEMA_VERSION, watermark=datetime.fromtimestamp(watermark_ms / 1000, UTC)
            )
            await (await producer.send(self._topic, None, _encode(record), partition, None, None))
            self._pulse.wrote(partition, now_ms)

    async def _connect(self) -> AIOKafkaConsumer:
        """A client of its own: on the agent's connection the question would wait behind a fetch for new records."""
        if self._client is None:
            self._client = AIOKafkaConsumer(**kafka_options(self._settings), enable_auto_commit=False)
            await self._client.start()
        await self._client._client._wait_on_metadata(self._topic)  # noqa: SLF001 - nothing else asks without a subscription
        return self._client

    async def _lose_contact(self) -> None:
        self._pulse.lose_contact()
        client, self._client = self._client, None
        if client is not None:
            await client.stop()
