"""Listens to `llm.alerts` from its first record on, while the demo runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import msgspec
from aiokafka import AIOKafkaConsumer

from tokentrail.compose.demo.verdict import HeardAlert
from tokentrail.kafka_security import kafka_options
from tokentrail.schemas.alerts import decode_alert
from tokentrail.schemas.topics import ALERTS
from tokentrail.settings import Settings


class AlertFeed:
    """What was heard so far, in the order in which it came."""

    def __init__(self, on_alert: Callable[[HeardAlert], None]) -> None:
        self.heard: list[HeardAlert] = []
        self._on_alert = on_alert

    async def listen(self, consumer: AIOKafkaConsumer) -> None:
        """Take in alerts until cancelled. A record that is no alert is not the demo's to judge, and is passed over."""
        async for record in consumer:
            with suppress(msgspec.DecodeError):
                recorded_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                heard = HeardAlert(decode_alert(record.value), recorded_at)
                self.heard.append(heard)
                self._on_alert(heard)


@asynccontextmanager
async def listen_to_alerts(settings: Settings, on_alert: Callable[[HeardAlert], None]) -> AsyncIterator[AlertFeed]:
    """Follow the alert topic from its beginning; `on_alert` is called on the event loop with each record."""
    consumer = AIOKafkaConsumer(
        settings.topic(ALERTS.name),
        **kafka_options(settings),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    feed = AlertFeed(on_alert)
    task = asyncio.create_task(feed.listen(consumer))
    try:
        yield feed
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await consumer.stop()
