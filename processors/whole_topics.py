"""Reading topics outside of any consumer group: all their partitions, from wherever the reader wants."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tokentrail.errors import BrokerError
from tokentrail.kafka_security import kafka_options
from tokentrail.settings import Settings


@asynccontextmanager
async def open_topics(
    settings: Settings, names: Sequence[str], *, only_ask: bool = False
) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
    """Open a consumer that has all partitions of these topics (names without prefix), and is closed in the end.

    One that is `only_ask` reads nothing. Its questions about offsets are answered at once; those of a reader wait up to
    half a second behind its own fetch, which Kafka holds open on the same connection until a record comes.

    Raises:
        BrokerError: the broker does not answer or refuses, now or later on, or a topic is not there.
    """
    topics = [settings.topic(name) for name in names]
    consumer = AIOKafkaConsumer(**kafka_options(settings), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        with broker_errors(settings, topics):
            await consumer.start()
            partitions = await find_partitions(settings, consumer, topics)
            if not only_ask:
                consumer.assign(partitions)
            yield consumer, partitions
    finally:
        await consumer.stop()


async def find_partitions(
    settings: Settings, consumer: AIOKafkaConsumer, topics: Sequence[str]
) -> list[TopicPartition]:
    """Return all partitions of topics (full names), in order. Creates none, whatever the broker does when asked.

    Raises:
        BrokerError: one is not there.
        KafkaError: the broker refuses.
    """
    cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - a public call that asks for one topic may create it
    partitions = []
    for topic in topics:
        numbers = cluster.partitions_for_topic(topic)
        if not numbers:
            raise BrokerError(
                f"Kafka at {settings.kafka} has no topic {topic}, or does not let this account see it; "
                "create the topics with `tokentrail topics`."
            )
        partitions += [TopicPartition(topic, number) for number in sorted(numbers)]
    return partitions


@contextmanager
def broker_errors(settings: Settings, topics: Sequence[str]) -> Iterator[None]:
    """Turn aiokafka's errors into BrokerError.

    Raises:
        BrokerError: names the topics, and what to check.
    """
    try:
        yield
    except KafkaError as error:
        raise BrokerError(
            f"{' and '.join(topics)} cannot be read from Kafka at {settings.kafka} ({error}); {what_to_check(settings)}"
        ) from error


def what_to_check(settings: Settings) -> str:
    """Return the end of a sentence about a Kafka that did not do what it should."""
    # aiokafka does not tell a broker that is away from one that refuses a password.
    login = ", the user and its password" if settings.kafka_security_protocol.startswith("SASL_") else ""
    return f"check TOKENTRAIL_KAFKA{login}, and that `tokentrail topics` has been run."
