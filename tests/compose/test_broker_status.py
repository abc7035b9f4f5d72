import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tokentrail.compose.broker_status import inspect_broker
from tokentrail.errors import BrokerError
from tokentrail.settings import Settings

CALLS = 5


async def publish(settings: Settings) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all")
    await producer.start()
    for number in range(CALLS):
        await producer.send_and_wait(settings.topic("llm.calls"), b"{}", partition=number % 2)
    await producer.stop()


async def commit(settings: Settings, part: str, offset: int) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, group_id=settings.group(part), enable_auto_commit=False
    )
    await consumer.start()
    partition = TopicPartition(settings.topic("llm.calls"), 0)
    consumer.assign([partition])
    await consumer.commit({partition: offset})
    await consumer.stop()


@pytest.mark.broker
def test_lag_is_what_a_part_has_not_committed_and_everything_where_it_has_committed_nothing(settings: Settings) -> None:
    asyncio.run(publish(settings))
    asyncio.run(commit(settings, "ledger", 2))
    status = asyncio.run(inspect_broker(settings))
    assert status.records["llm.calls"] == CALLS
    assert status.parts["ledger"].lag == CALLS - 2
    assert status.parts["slice"].lag == CALLS
    assert status.parts["watch"].lag == 0
    assert status.records["llm.dead-letters"] == 0


@pytest.mark.broker
def test_a_topic_that_does_not_exist_is_missing_and_is_not_created_by_asking(settings: Settings) -> None:
    elsewhere = Settings(kafka=settings.kafka, topic_prefix="never-made.")
    for _ in range(2):
        status = asyncio.run(inspect_broker(elsewhere))
        assert set(status.records.values()) == {None}
        assert {part.lag for part in status.parts.values()} == {None}


def test_a_broker_that_is_away_is_one_sentence() -> None:
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1 does not answer; start it with `tokentrail up`"):
        asyncio.run(inspect_broker(Settings(kafka="127.0.0.1:1")))
