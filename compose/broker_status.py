"""How far each part has read, and what each topic holds; asked of Kafka."""

import asyncio
import logging
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaConnectionError,
    KafkaError,
)

from tokentrail.errors import BrokerError
from tokentrail.kafka_security import kafka_options
from tokentrail.schemas.topics import ALERTS, CALLS, DEAD_LETTERS, SLICES
from tokentrail.settings import Settings

PARTS: Final = {"slice": CALLS.name, "watch": SLICES.name, "ledger": CALLS.name}
"""Part → the topic it reads."""
COUNTED: Final = (CALLS.name, SLICES.name, ALERTS.name, DEAD_LETTERS.name)
_DEADLINE_S: Final = 6.0
_REQUEST_MS: Final = 4_000
_COORDINATOR_RETRY_S: Final = 0.1

# aiokafka logs what it raises anyway; whoever asks for the state wants the sentence, not the log.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())

_Offsets = dict[TopicPartition, int]


class PartStatus(msgspec.Struct, frozen=True):
    """One part. `lag`: records it has still to read; None if its topic does not exist."""

    topic: str
    group: str
    lag: int | None


class BrokerStatus(msgspec.Struct, frozen=True):
    """`records` by topic (name without prefix): from its oldest to its newest; None if there is no such topic."""

    parts: dict[str, PartStatus]
    records: dict[str, int | None]


async def inspect_broker(settings: Settings) -> BrokerStatus:
    """Ask Kafka for offsets; answers or raises within seconds.

    Raises:
        BrokerError: Kafka cannot be reached, or does not answer.
    """
    try:
        async with asyncio.timeout(_DEADLINE_S):
            return await _inspect(settings)
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerError(
            f"Kafka at {settings.kafka} {_describe(error)}; "
            "start it with `tokentrail up`, or set TOKENTRAIL_KAFKA to where it is."
        ) from error


async def _inspect(settings: Settings) -> BrokerStatus:
    # The admin client says which topics there are; a consumer that asks for one could create it.
    admin = AIOKafkaAdminClient(**kafka_options(settings), request_timeout_ms=_REQUEST_MS)
    consumer = AIOKafkaConsumer(**kafka_options(settings), request_timeout_ms=_REQUEST_MS)
    try:
        await admin.start()
        await consumer.start()
        partitions = await _find_partitions(admin, settings)
        everything = [one for found in partitions.values() for one in found]
        oldest: _Offsets = await consumer.beginning_offsets(everything) if everything else {}
        newest: _Offsets = await consumer.end_offsets(everything) if everything else {}
        parts = {
            part: PartStatus(
                settings.topic(topic),
                settings.group(part),
                await _measure_lag(admin, settings.group(part), partitions.get(topic), oldest, newest),
            )
            for part, topic in PARTS.items()
        }
        records = {
            name: sum(newest[one] - oldest[one] for one in partitions[name]) if name in partitions else None
            for name in COUNTED
        }
        return BrokerStatus(parts, records)
    finally:
        await consumer.stop()
        await admin.close()


async def _find_partitions(admin: AIOKafkaAdminClient, settings: Settings) -> dict[str, list[TopicPartition]]:
    existing = set(await admin.list_topics())
    wanted = {settings.topic(name): name for name in COUNTED if settings.topic(name) in existing}
    if not wanted:
        return {}
    return {
        wanted[found["topic"]]: [TopicPartition(found["topic"], one["partition"]) for one in found["partitions"]]
        for found in await admin.describe_topics(list(wanted))
    }


async def _measure_lag(
    admin: AIOKafkaAdminClient,
    group: str,
    partitions: list[TopicPartition] | None,
    oldest: _Offsets,
    newest: _Offsets,
) -> int | None:
    """End offsets minus committed ones; where nothing is committed, everything the topic holds is still to be read."""
    if partitions is None:
        return None
    committed = await _read_committed(admin, group, partitions)
    lag = 0
    for partition in partitions:
        offset = committed[partition].offset if partition in committed else -1
        lag += max(0, newest[partition] - max(offset, oldest[partition]))
    return lag


async def _read_committed(admin: AIOKafkaAdminClient, group: str, partitions: list[TopicPartition]) -> Any:
    while True:
        try:
            return await admin.list_consumer_group_offsets(group, partitions=partitions)
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
            # A broker that just started makes or loads its topic of offsets when it is first asked for one.
            await asyncio.sleep(_COORDINATOR_RETRY_S)


def _describe(error: Exception) -> str:
    if isinstance(error, (KafkaConnectionError, OSError)):  # TimeoutError is an OSError
        return "does not answer"
    return f"refuses ({error})"
