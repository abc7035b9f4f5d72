"""The alert log: reads back what `llm.alerts` holds."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from tokentrail.processors.whole_topics import open_topics
from tokentrail.schemas import topics
from tokentrail.schemas.alerts import Alert, decode_alert
from tokentrail.settings import Settings


class AlertRecord(msgspec.Struct, frozen=True):
    """A state change, and when the broker got it: when it was detected."""

    detected_ms: int
    alert: Alert
    partition: int
    offset: int


async def read_alerts(settings: Settings, since_ms: int) -> list[AlertRecord]:
    """Read what was appended since a moment of wall clock, up to the topic's present end; oldest first.

    Raises:
        BrokerError: the broker does not answer or refuses, or the topic is not there.
    """
    found: list[AlertRecord] = []
    async with open_topics(settings, [topics.ALERTS.name]) as (consumer, partitions):
        ends = await consumer.end_offsets(partitions)
        wanted = await _seek(consumer, partitions, since_ms, ends)
        while wanted:
            for tp, records in (await consumer.getmany(*wanted, timeout_ms=1000)).items():
                found.extend(_decode(records))
                if records[-1].offset + 1 >= ends[tp]:
                    wanted.discard(tp)
    return sorted(found, key=lambda record: (record.alert.occurred_at, record.alert.alert_id, record.alert.revision))


async def follow_alerts(settings: Settings, since_ms: int) -> AsyncIterator[AlertRecord]:
    """Yield what was appended since a moment, then what comes, for ever; in arrival order of each partition.

    Raises:
        BrokerError: the broker does not answer or refuses, or the topic is not there.
    """
    async with open_topics(settings, [topics.ALERTS.name]) as (consumer, partitions):
        await _seek(consumer, partitions, since_ms, await consumer.end_offsets(partitions))
        while True:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in _decode(records):
                    yield record


async def _seek(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since_ms: int, ends: dict[TopicPartition, int]
) -> set[TopicPartition]:
    """Go to a moment in each partition; returns those that hold something from then on."""
    starts = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
    for tp in partitions:
        consumer.seek(tp, starts[tp].offset if starts[tp] else ends[tp])
    return {tp for tp in partitions if starts[tp] and starts[tp].offset < ends[tp]}


def _decode(records: Sequence[Any]) -> list[AlertRecord]:
    decoded = []
    for record in records:
        try:
            alert = decode_alert(record.value or b"")
        except msgspec.MsgspecError:
            continue  # of a newer major version, or not ours
        decoded.append(AlertRecord(record.timestamp, alert, record.partition, record.offset))
    return decoded
