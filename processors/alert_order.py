"""The ordered log: all of `llm.alerts` and `llm.alert-controls`, in one order that every reader finds.

Partitions say nothing about the order among them; the broker's clock does. Records are given out by append time once
every partition has been read past that moment.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from tokentrail.processors.alert_controls import read_control
from tokentrail.processors.whole_topics import open_topics
from tokentrail.schemas import topics
from tokentrail.schemas.alert_controls import AlertControl
from tokentrail.schemas.alerts import Alert, decode_alert
from tokentrail.settings import Settings

SETTLE_S: Final = 0.02
"""How far the clocks of two brokers may be apart without records changing places."""


class LogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A state change of an alert, or a control. `appended_ms` is the broker's clock: for alerts, their detection."""

    content: Alert | AlertControl
    partition: int
    offset: int
    appended_ms: int
    order_ms: int
    """`appended_ms`, or that of an earlier record of the partition where the broker's clock has stepped back."""

    @property
    def place(self) -> tuple[int, bool, int, int]:
        """Where it stands among all; controls go before alerts of the same millisecond."""
        return (self.order_ms, isinstance(self.content, Alert), self.partition, self.offset)


class OrderedLog:
    """Reads both topics from their oldest records on. Not for several tasks at once."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        asker: AIOKafkaConsumer,
        alerts: str,
        ends_at_open: dict[TopicPartition, int],
    ) -> None:
        self._consumer = consumer
        self._asker = asker
        self._alerts = alerts
        self._partitions = list(ends_at_open)
        self._ends = ends_at_open
        self._waiting: list[LogRecord] = []
        self._clock_ms: dict[TopicPartition, int] = {}
        self.ends_at_open = {tp.partition: end for tp, end in ends_at_open.items() if tp.topic == alerts}
        """By partition of `llm.alerts`: the offset of its first record after this log was opened."""
        self.read_through: dict[int, int] = {}
        """By partition of `llm.alerts`: the newest offset that was given out."""

    async def take(self, timeout_ms: int = 1000) -> list[LogRecord]:
        """Return what comes next, in order; empty if nothing was appended for `timeout_ms`.

        Raises:
            KafkaError: the broker refuses; while it is merely away, this waits.
        """
        await self._fetch(timeout_ms if not self._waiting else 0)
        if not self._waiting:
            return []
        newest_ms = max(record.order_ms for record in self._waiting)
        await asyncio.sleep(SETTLE_S)
        # By now every broker's clock is past that moment: what comes behind these ends is younger.
        await self._read_to(await self._asker.end_offsets(self._partitions))
        ready = [record for record in self._waiting if record.order_ms <= newest_ms]
        self._waiting = [record for record in self._waiting if record.order_ms > newest_ms]
        return self._give_out(ready)

    async def take_history(self) -> list[LogRecord]:
        """Return all that was there when the log was opened, in order.

        Raises:
            KafkaError: the broker refuses; while it is merely away, this waits.
        """
        await self._read_to(self._ends)
        history, self._waiting = self._waiting, []
        return self._give_out(history)

    def _give_out(self, ready: list[LogRecord]) -> list[LogRecord]:
        for record in ready:
            if isinstance(record.content, Alert):
                through = self.read_through.get(record.partition, -1)
                self.read_through[record.partition] = max(through, record.offset)
        return sorted(ready, key=lambda record: record.place)

    async def _read_to(self, ends: dict[TopicPartition, int]) -> None:
        while any([await self._consumer.position(tp) < end for tp, end in ends.items()]):
            await self._fetch(200)

    async def _fetch(self, timeout_ms: int) -> None:
        for tp, records in (await self._consumer.getmany(timeout_ms=timeout_ms)).items():
            for record in records:
                order_ms = self._clock_ms[tp] = max(self._clock_ms.get(tp, 0), record.timestamp)
                content = self._decode(tp, record.value)
                if content is not None:
                    self._waiting.append(
                        LogRecord(
                            content=content,
                            partition=tp.partition,
                            offset=record.offset,
                            appended_ms=record.timestamp,
                            order_ms=order_ms,
                        )
                    )

    def _decode(self, tp: TopicPartition, payload: bytes | None) -> Alert | AlertControl | None:
        if tp.topic != self._alerts:
            return read_control(payload)
        try:
            return decode_alert(payload or b"")
        except msgspec.MsgspecError:
            return None  # of a newer major version, or not ours


@asynccontextmanager
async def open_ordered_log(settings: Settings) -> AsyncIterator[OrderedLog]:
    """Open the log at its beginning.

    Raises:
        BrokerError: the broker does not answer or refuses, now or later on, or one of the topics is not there.
    """
    names = [topics.ALERTS.name, topics.ALERT_CONTROLS.name]
    async with (
        open_topics(settings, names) as (consumer, partitions),
        open_topics(settings, names, only_ask=True) as (asker, _),
    ):
        await consumer.seek_to_beginning(*partitions)
        yield OrderedLog(consumer, asker, settings.topic(topics.ALERTS.name), await asker.end_offsets(partitions))
