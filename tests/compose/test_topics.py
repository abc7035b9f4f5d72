"""Topics on a real broker."""

import msgspec
import pytest

from tokentrail.compose.topics import create_topics
from tokentrail.errors import BrokerError
from tokentrail.schemas.topics import TOPICS
from tokentrail.settings import Settings


@pytest.mark.broker
async def test_every_topic_is_created_once_and_found_the_second_time(settings: Settings) -> None:
    fresh = msgspec.structs.replace(settings, topic_prefix=settings.topic_prefix + "fresh.")
    first = await create_topics(fresh)
    second = await create_topics(fresh)
    assert [report.name for report in first] == [fresh.topic(topic.name) for topic in TOPICS]
    assert {report.outcome for report in first} == {"created"}
    assert {(report.outcome, report.differences) for report in second} == {("exists", ())}


@pytest.mark.broker
async def test_a_topic_with_other_partitions_is_reported_and_left_as_it_is(settings: Settings) -> None:
    other = msgspec.structs.replace(settings, partitions=settings.partitions + 1)
    calls = (await create_topics(other))[0]
    assert calls.outcome == "differs"
    assert calls.differences == ("partitions: 2, not 3",)
    assert calls.partitions == 2


async def test_an_absent_broker_is_one_sentence_that_says_what_to_do() -> None:
    with pytest.raises(BrokerError, match=r"Kafka at 127\.0\.0\.1:1 cannot be used .* `tokentrail up`"):
        await create_topics(Settings(kafka="127.0.0.1:1"))


@pytest.mark.broker
async def test_more_replicas_than_brokers_is_refused_with_kafkas_own_reason(settings: Settings) -> None:
    greedy = msgspec.structs.replace(settings, topic_prefix=settings.topic_prefix + "greedy.", replication_factor=7)
    with pytest.raises(BrokerError, match=r"refused to create the topic .*replication factor"):
        await create_topics(greedy)
