"""The witnesses in Kafka: checkpoints on the alert topic, and how far the ledger said that it is."""

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tokentrail.errors import BrokerError
from tokentrail.kafka_security import kafka_options
from tokentrail.processors.whole_topics import open_topics, what_to_check
from tokentrail.schemas import topics
from tokentrail.settings import Settings
from tokentrail.sinks.integrity.checkpoint import SignedCheckpoint, decode_line


async def read_checkpoint_topic(settings: Settings) -> list[SignedCheckpoint]:
    """Return what the alert topic still has (30 days), in its order.

    Raises:
        BrokerError: the broker does not answer or refuses, or the topic is not there.
    """
    found: list[SignedCheckpoint] = []
    async with open_topics(settings, [topics.ALERTS.name]) as (consumer, partitions):
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        while unread := [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
            await _take(consumer, unread, found)
    return found


async def _take(consumer: AIOKafkaConsumer, unread: list[TopicPartition], found: list[SignedCheckpoint]) -> None:
    for records in (await consumer.getmany(*unread, timeout_ms=500)).values():
        found += [read for record in records if (read := decode_line(record.value or b"")) is not None]


async def read_committed(settings: Settings) -> dict[int, int]:
    """Return by partition of llm.calls up to where the ledger has told Kafka that it has everything.

    Raises:
        BrokerError: the broker does not answer or refuses.
    """
    topic = settings.topic(topics.CALLS.name)
    try:
        admin = AIOKafkaAdminClient(**kafka_options(settings))
        await admin.start()
        try:
            committed = await admin.list_consumer_group_offsets(settings.group("ledger"))
        finally:
            await admin.close()
    except KafkaError as error:
        raise BrokerError(
            f"Kafka at {settings.kafka} does not say how far the ledger is ({error}); {what_to_check(settings)}"
        ) from error
    return {tp.partition: at.offset for tp, at in committed.items() if tp.topic == topic and at.offset >= 0}


async def read_ends(settings: Settings) -> dict[int, int]:
    """Return by partition of llm.calls the offset that Kafka gives the next record.

    Raises:
        BrokerError: the broker does not answer or refuses, or the topic is not there.
    """
    async with open_topics(settings, [topics.CALLS.name], only_ask=True) as (asker, partitions):
        return {tp.partition: end for tp, end in (await asker.end_offsets(partitions)).items()}
