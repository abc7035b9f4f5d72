"""Republisher: a stretch of the log, published again to a topic with the bytes, keys and headers that it had."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tokentrail.errors import BrokerError
from tokentrail.kafka_security import kafka_options
from tokentrail.processors.log_source import KeptRecord
from tokentrail.processors.replay_speed import ReplaySpeed
from tokentrail.processors.slicing import RecordBatch
from tokentrail.producers.records import rebuild_headers
from tokentrail.settings import Settings

REQUEST_BYTES: Final = 4 * 1_048_576 + 65_536
"""As much as a record of the topic may weigh, and its headers."""
_BATCH_BYTES: Final = 262_144
_IN_FLIGHT: Final = 2_000


class _Producer(msgspec.Struct, gc=False):
    producer_id: str


_decode_producer = msgspec.json.Decoder(_Producer).decode


def keep_records(batches: Iterable[RecordBatch]) -> Iterator[list[KeptRecord]]:
    """Yield the records of an archive or of files as they were published: key and headers follow from an event.

    A watermark record, which has no producer, has neither.
    """
    for batch in batches:
        yield [
            _keep(batch.partition, timestamp_ms, payload)
            for timestamp_ms, payload in zip(batch.timestamps_ms, batch.payloads, strict=True)
            if payload is not None
        ]


async def republish(
    settings: Settings,
    topic: str,
    records: Iterator[list[KeptRecord]],
    speed: ReplaySpeed,
    note: Callable[[int], None] = lambda _: None,
) -> int:
    """Publish records to a topic that exists (its full name), and return how many; `note` is told from time to time.

    Each goes to the partition it came from where the topic has that, or else where its key belongs. Within a partition
    the order stays; an idempotent producer, `acks=all`. Two runs publish everything twice.

    Raises:
        TokentrailError: the records cannot be read (of their source), or not be published (BrokerError).
    """
    try:
        async with AIOKafkaProducer(
            **kafka_options(settings),
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=5,
            max_batch_size=_BATCH_BYTES,
            max_request_size=REQUEST_BYTES,
        ) as producer:
            partitions = await producer.partitions_for(topic)
            sent = 0
            # In a thread: sources block.
            while (some := await asyncio.to_thread(next, records, None)) is not None:
                await _send(producer, topic, some, set(partitions), speed)
                sent += len(some)
                note(sent)
            return sent
    except (KafkaError, OSError) as error:
        raise BrokerError(
            f"Records cannot be published to {topic} on Kafka at {settings.kafka} ({error}); check TOKENTRAIL_KAFKA."
        ) from error


async def _send(
    producer: AIOKafkaProducer, topic: str, records: list[KeptRecord], partitions: set[int], speed: ReplaySpeed
) -> None:
    waiting: list[asyncio.Future[Any]] = []
    for record in records:
        delay_s = speed.delay_s(record.timestamp_ms, time.monotonic())
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        waiting.append(
            await producer.send(
                topic,
                record.value,
                key=record.key,
                partition=record.partition if record.partition in partitions else None,
                headers=record.headers,
            )
        )
        if len(waiting) >= _IN_FLIGHT:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)


def _keep(partition: int, timestamp_ms: int, value: bytes) -> KeptRecord:
    try:
        key = _decode_producer(value).producer_id.encode()
        return KeptRecord(partition, timestamp_ms, key, value, rebuild_headers(value))
    except msgspec.DecodeError:
        return KeptRecord(partition, timestamp_ms, None, value, [])
