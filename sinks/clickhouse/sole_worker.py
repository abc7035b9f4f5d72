"""Work that one process at a time does, whoever Kafka chooses. Any number of processes may stand for it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_when_event_set, wait_exponential

from tokentrail.errors import TokentrailError
from tokentrail.kafka_security import kafka_options
from tokentrail.processors.whole_topics import broker_errors, open_topics
from tokentrail.schemas import topics
from tokentrail.settings import Settings

FIRST_PAUSE_S: Final = 0.5
"""Before the second attempt; each failure in a row doubles it."""
MAX_PAUSE_S: Final = 5.0
"""While Kafka, ClickHouse, a topic or a table is away: it may be back at any moment."""
MISTAKE_MAX_PAUSE_S: Final = 60.0
"""When the work fails as nobody expected: it will fail again, and each time takes its room in the log."""
SOUND_S: Final = 60.0
"""After so long without a failure the pauses begin anew."""
RELEASE_S: Final = 20
"""How long the next one waits for this one's work to end."""
SESSION_S: Final = 6
"""How long one that was killed holds its place."""

_EXPECTED: Final = (TokentrailError, KafkaError)
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
        self._began_s = time.monotonic()

    @property
    def working(self) -> bool:
        """Whether this process is the chosen one."""
        return self._working is not None

    def stop(self) -> None:
        """Let `run` end the work, and return."""
        self._stopping.set()
        self._released.set()

    async def run(self) -> None:
        """Work until stopped. Whatever fails is logged, and tried again after a pause that grows with each failure.

        An error that is none of ours or Kafka's is logged with its traceback; it ends neither this nor the process.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Exception),
            wait=self._pause_s,
            stop=stop_when_event_set(self._stopping),  # type: ignore[arg-type]  # asks no more of it than `is_set`
            before_sleep=lambda state: self._tell("%s for now, trying again: %s", _failure(state)),
            sleep=self._pause,
            retry_error_callback=lambda state: self._tell("%s any longer: %s", _failure(state)),
        )
        await retrying(self._stand)

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
        self._began_s = time.monotonic()
        if self._stopping.is_set():
            return
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
                        working, self._working = self._working, None
                        working.result()
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
                self._tell("%s any longer: %s", error)

    def _tell(self, message: str, error: BaseException) -> None:
        expected = isinstance(error, _EXPECTED)
        _log.log(
            logging.WARNING if expected else logging.ERROR,
            message,
            self._doing,
            error if expected else repr(error),
            exc_info=None if expected else error,
        )

    def _pause_s(self, state: RetryCallState) -> float:
        if time.monotonic() - self._began_s >= SOUND_S:
            state.attempt_number = 1
        max_s = MAX_PAUSE_S if isinstance(_failure(state), _EXPECTED) else MISTAKE_MAX_PAUSE_S
        return wait_exponential(multiplier=FIRST_PAUSE_S, max=max_s)(state)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _failure(state: RetryCallState) -> BaseException:
    failure = state.outcome and state.outcome.exception()
    assert failure  # noqa: S101 - asked for after failures alone
    return failure
