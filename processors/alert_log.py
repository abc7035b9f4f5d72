"""The alert log: which state changes `llm.alerts` already holds, so that a restart does not tell them again."""

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from tokentrail.schemas import topics
from tokentrail.schemas.alerts import decode_alert
from tokentrail.settings import Settings

Told = tuple[str, int]
"""Alert id and revision."""


async def read_told(settings: Settings, since_ms: int) -> set[Told]:
    """Read what was appended to the alert topic since a moment of wall clock; returns at the topic's present end.

    Raises:
        aiokafka.errors.KafkaError: the broker does not answer.
    """
    topic = settings.topic(topics.ALERTS.name)
    told: set[Told] = set()
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False) as consumer:
        await consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - without a subscription nothing else asks for it
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
        wanted = set()
        for tp in partitions:
            start = starts[tp]
            if start is not None and start.offset < ends[tp]:
                consumer.seek(tp, start.offset)
                wanted.add(tp)
            else:
                consumer.pause(tp)
        while wanted:
            for tp, records in (await consumer.getmany(*wanted, timeout_ms=1000)).items():
                for record in records:
                    try:
                        alert = decode_alert(record.value or b"")
                    except msgspec.MsgspecError:
                        continue
                    told.add((alert.alert_id, alert.revision))
                if records and records[-1].offset + 1 >= ends[tp]:
                    wanted.discard(tp)
    return told
