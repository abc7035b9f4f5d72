"""Work that one process at a time does, whoever Kafka chooses. Any number of processes may stand for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from tokentrail.errors import TokentrailError
from tokentrail.kafka_security import kafka_options
from tokentrail.processors.whole_topics import broker_errors, open_topics
from tokentrail.schemas import topics
from tokentrail.settings import Settings

RETRY_S: Final = 5.0
RELEASE_S: Final = 20
"""How long the next one waits for this one's work to end."""
SESSION_S: Final = 6
"""How long one that was killed holds its place."""

_log = logging.getLogger(__name__)

Work = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until its event is set, and ends soon then."""


class SoleWorker(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Stands for the work, and does it when it is chosen: when it is given the only partition of llm.alert-controls.

    `part` names the consumer group, `doing` what cannot be done when it fails. `run` ends when `stop` is called.
    """

    def __init__(self, settings: Settings, part: str, doing: str, work: Work) -> None:
        self._settings = settings
        self._part = part
        self._doing = doing
        self._work = work
        self._stopping = asyncio.Event()
        self._released = asyncio.Event()
        """Set when this process is no longer the chosen one; the next time has an event of its own."""
        self._consumer: AIOKafkaConsumer | None = None
        self._working: asyncio.Future[None] | None = None

    def stop(self) -> None:
        """Let `run` end the work, and return."""
        self._stopping.set()
        self._released.set()

    async def run(self) -> None:
        """Work until stopped. What fails is logged and tried again."""
        while not self._stopping.is_set():
            try:
                await self._stand()
            except (TokentrailError, KafkaError) as error:
                _log.warning("%s for now, trying again: %s", self._doing, error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), RETRY_S)

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002 - there is one
        """Stop working before somebody else begins."""
        await self._release()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Begin to work, if chosen."""
        if not assigned or self._consumer is None or self._stopping.is_set():
            return
        self._consumer.pause(*assigned)
        self._released = asyncio.Event()
        self._working = asyncio.ensure_future(self._work(self._released))

    async def _stand(self) -> None:
        topic = self._settings.topic(topics.ALERT_CONTROLS.name)
        async with open_topics(self._settings, [topics.ALERT_CONTROLS.name]):
            pass  # a topic that is not there is told, and not made by asking for it
        self._consumer = consumer = AIOKafkaConsumer(
            **kafka_options(self._settings),
            group_id=self._settings.group(self._part),
            enable_auto_commit=False,
            session_timeout_ms=SESSION_S * 1000,
            heartbeat_interval_ms=2_000,
            rebalance_timeout_ms=(RELEASE_S + 10) * 1000,
        )
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
                _log.warning("%s any longer: %s", self._doing, error)
