"""The pulse writer: asks the broker how far the partitions are, and writes the watermark records that `Pulse` wants."""

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
from faust.types import TP

from tokentrail.processors.pulse import Pulse
from tokentrail.schemas import topics
from tokentrail.schemas.events import Watermark
from tokentrail.settings import Settings

if TYPE_CHECKING:
    from tokentrail.processors.record_batches import BatchingApp

POLL_S: Final = 0.25
ANSWER_S: Final = 2.0
"""A broker that takes longer to say its offsets counts as out of contact."""

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class PulseWriter:
    """Runs inside the slice worker; works only while that worker owns partition 0."""

    def __init__(self, app: "BatchingApp", settings: Settings) -> None:
        self._app = app
        self._topic = settings.topic(topics.CALLS.name)
        self._pulse = Pulse(settings.idle_after_ms)
        app.timer(POLL_S)(self._beat)

    async def _beat(self) -> None:
        if TP(self._topic, 0) not in self._app.consumer.assignment():
            self._pulse.lose_contact()
            return
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._write_due()
        except Exception as error:  # noqa: BLE001 - whatever it is, contact is lost and the next beat tries again
            _log.warning("No watermark records for now: %r", error)
            self._pulse.lose_contact()

    async def _write_due(self) -> None:
        producer = await self._app.maybe_start_producer()
        partitions = await producer._producer.partitions_for(self._topic)  # noqa: SLF001 - Faust has no way to ask; aiokafka caches it
        now_ms = time.time_ns() // 1_000_000
        ends = await self._app.consumer.highwaters(*(TP(self._topic, p) for p in partitions))
        due = self._pulse.observe(now_ms, {tp.partition: end for tp, end in ends.items()})
        for partition, watermark_ms in due.items():
            record = Watermark(watermark=datetime.fromtimestamp(watermark_ms / 1000, UTC))
            await (await producer.send(self._topic, None, _encode(record), partition, None, None))
            self._pulse.wrote(partition, now_ms)
