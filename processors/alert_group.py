"""A member of a consumer group on `llm.alerts`: the group's members share its partitions, and commit what is done."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError

from tokentrail.kafka_security import kafka_options
from tokentrail.processors.whole_topics import broker_errors, find_partitions
from tokentrail.schemas import topics
from tokentrail.settings import Settings

BATCH: Final = 100
COMMIT_EVERY_S: Final = 1.0
"""How long what is done waits for its commit while there is more to do; with nothing to do it does not wait."""
CLOSE_S: Final = 5.0
"""How long the last commit may take."""

_log = logging.getLogger(__name__)


class GroupMember(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Hands out the records of the partitions that this member has. `join_group` makes it."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._assignments = 0
        self._done: dict[TopicPartition, int] = {}
        """Next offset by partition, as far as not committed."""
        self._committed_s = time.monotonic()

    async def records(self) -> AsyncGenerator[Any, None]:
        """Yield records as they come, each partition's in order; one is done when the next is asked for.

        Raises:
            KafkaError: the broker refuses; while it is merely away, this waits.
        """
        while True:
            fetched = await self._consumer.getmany(timeout_ms=500, max_records=BATCH)
            assignments = self._assignments
            for tp, record in [(tp, record) for tp, records in fetched.items() for record in records]:
                # What was fetched before a rebalance is fetched again by whoever has the partition now.
                if assignments != self._assignments:
                    break
                yield record
                if assignments == self._assignments:
                    self._done[tp] = record.offset + 1
                if time.monotonic() - self._committed_s >= COMMIT_EVERY_S:
                    await self.commit()
            await self.commit()

    async def commit(self) -> None:
        """Tell Kafka what is done; what it does not take comes again, to this member or another."""
        done, self._done = self._done, {}
        self._committed_s = time.monotonic()
        try:
            if done:
                await self._consumer.commit(done)
        except KafkaError as error:
            _log.warning("Kafka did not take the commit of %s (%s); these alerts come again.", sorted(done), error)

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002 - all are revoked
        """Commit before somebody else reads on."""
        await self.commit()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:  # noqa: ARG002 - only that it happened
        """Let go of what was fetched before."""
        self._assignments += 1


@asynccontextmanager
async def join_group(settings: Settings, group: str, since_ms: int | None) -> AsyncIterator[GroupMember]:
    """Join a group; on the way out, commit what is done and leave it.

    A group without offsets begins with what was appended from `since_ms` on, or, without it, from now on.

    Raises:
        BrokerError: the broker does not answer or refuses, now or later on, or the topic is not there.
    """
    topic = settings.topic(topics.ALERTS.name)
    consumer = AIOKafkaConsumer(
        **kafka_options(settings),
        group_id=f"{settings.topic_prefix}{group}",
        enable_auto_commit=False,
        # Only for partitions that the topic gets later on: all in them is new.
        auto_offset_reset="earliest",
    )
    member = GroupMember(consumer)
    try:
        with broker_errors(settings, [topic]):
            await consumer.start()
            await _anchor(consumer, await find_partitions(settings, consumer, [topic]), since_ms)
            consumer.subscribe([topic], listener=member)
            try:
                yield member
            finally:
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_S):
                        await member.commit()
    finally:
        await consumer.stop()


async def _anchor(consumer: AIOKafkaConsumer, partitions: list[TopicPartition], since_ms: int | None) -> None:
    """Commit where a new group begins: one that died before its first commit would begin behind what it missed."""
    consumer.assign(partitions)
    new = [tp for tp in partitions if await consumer.committed(tp) is None]
    if new:
        starts = await consumer.end_offsets(new)
        if since_ms is not None:
            found = await consumer.offsets_for_times(dict.fromkeys(new, since_ms))
            starts.update({tp: at.offset for tp, at in found.items() if at is not None})
        # Refused where members are at work: they have done it.
        with suppress(CommitFailedError):
            await consumer.commit(starts)
    consumer.unsubscribe()
