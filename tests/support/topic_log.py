"""Reads whole topics back, and feeds them, for tests on a real broker."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from call_log import Call

from tokentrail.processors.slicing import RecordBatch
from tokentrail.producers.records import Record
from tokentrail.schemas import topics
from tokentrail.schemas.events import SCHEMA_VERSION, Watermark
from tokentrail.settings import Settings

END_OF_TIME = datetime(2027, 1, 1, tzinfo=UTC)


def as_record(call: Call) -> Record:
    return Record(f"producer-{call.producer}".encode(), call.payload, [])


async def read_topic(settings: Settings, name: str) -> list[Any]:
    """Every record that a topic holds now, partition by partition, in offset order."""
    async with _connect(settings) as consumer:
        topic = settings.topic(name)
        await consumer._client._wait_on_metadata(topic)
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        found: dict[TopicPartition, list[Any]] = {tp: [] for tp in partitions}
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                found[tp].extend(records)
    return [record for tp in partitions for record in found[tp]]


@asynccontextmanager
async def _connect(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group. A broker that has just come back may close its first connections."""
    async with asyncio.timeout(30):
        while True:
            consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False)
            try:
                await consumer.start()
                break
            except KafkaConnectionError:
                await consumer.stop()
                await asyncio.sleep(0.2)
    try:
        yield consumer
    finally:
        await consumer.stop()


async def read_batches(settings: Settings) -> list[RecordBatch]:
    """What `llm.calls` holds, one batch a partition."""
    by_partition: dict[int, list[Any]] = {}
    for record in await read_topic(settings, topics.CALLS.name):
        by_partition.setdefault(record.partition, []).append(record)
    return [
        RecordBatch(
            partition,
            [record.offset for record in records],
            [record.timestamp for record in records],
            [record.value for record in records],
        )
        for partition, records in sorted(by_partition.items())
    ]


async def end_the_log(settings: Settings, at: datetime) -> None:
    """Promise in every partition that nothing older than `at` follows: all before it is closed at once."""
    record = msgspec.json.encode(Watermark(schema_version=SCHEMA_VERSION, watermark=at))
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all") as producer:
        topic = settings.topic(topics.CALLS.name)
        for partition in await producer.partitions_for(topic):
            await producer.send_and_wait(topic, record, partition=partition)


async def wait_for_alerts(settings: Settings, expected: Iterable[bytes], timeout_s: float = 90) -> list[bytes]:
    """The alert topic's values once it holds what is expected; at the deadline, whatever it holds then."""
    wanted = set(expected)
    async with AIOKafkaConsumer(
        settings.topic(topics.ALERTS.name), bootstrap_servers=settings.kafka, auto_offset_reset="earliest"
    ) as consumer:
        values: list[bytes] = []
        try:
            async with asyncio.timeout(timeout_s):
                while not wanted.issubset(values):
                    values.append((await consumer.getone()).value)
        except TimeoutError:
            return values
    return [record.value for record in await read_topic(settings, topics.ALERTS.name)]
