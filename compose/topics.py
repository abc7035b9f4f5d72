"""Creates the topics, and says what is there."""

import asyncio
from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from tokentrail.errors import BrokerError
from tokentrail.kafka_security import kafka_options
from tokentrail.schemas.topics import TOPICS, Topic
from tokentrail.settings import Settings

_TIMEOUT_MS = 20_000
_POLL_S = 0.1


class TopicReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one topic, or made."""

    name: str
    """The full name, with the prefix."""
    outcome: Literal["created", "exists", "differs"]
    differences: tuple[str, ...] = ()
    """What the broker has in place of what this version creates, e.g. `partitions: 4, not 8`."""
    partitions: int
    records: int
    """End offsets minus start offsets, over all partitions."""
    end_offset: int
    """Sum of the end offsets of all partitions: records ever written."""
    purpose: str


async def create_topics(settings: Settings, topics: Iterable[Topic] = TOPICS) -> list[TopicReport]:
    """Create the topics that are missing and report on all; changes nothing about a topic that is there.

    Raises:
        BrokerError: the broker cannot be reached, or refuses.
    """
    topics = tuple(topics)
    try:
        created = await _create_missing(settings, topics)
        return await _report(settings, topics, created)
    except (KafkaError, OSError) as error:
        raise BrokerError(
            f"Kafka at {settings.kafka} cannot be used ({error}); start it with `tokentrail up`, or point "
            "TOKENTRAIL_KAFKA at a broker that runs."
        ) from error


async def _create_missing(settings: Settings, topics: tuple[Topic, ...]) -> set[str]:
    admin = AIOKafkaAdminClient(**kafka_options(settings), request_timeout_ms=_TIMEOUT_MS)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        missing = [topic for topic in topics if settings.topic(topic.name) not in there]
        if not missing:
            return set()
        new = [
            NewTopic(
                settings.topic(topic.name),
                _partitions(topic, settings),
                settings.replication_factor,
                topic_configs=topic.config,
            )
            for topic in missing
        ]
        response = await admin.create_topics(new, timeout_ms=_TIMEOUT_MS)
        return {name for name, code, *message in response.topic_errors if _was_created(name, code, message)}
    finally:
        await admin.close()


def _was_created(name: str, code: int, message: list[str | None]) -> bool:
    if code == 0:
        return True
    # Two workers may create the same topics at the same moment; the second finds them there.
    if code == TopicAlreadyExistsError.errno:
        return False
    reason = next(filter(None, message), "") or for_code(code).description
    raise BrokerError(f"Kafka refused to create the topic {name}: {reason}")


async def _list_partitions(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, list[TopicPartition]]:
    """Return the partitions of each topic. A broker may say for a moment that a topic just created has none."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _TIMEOUT_MS / 1000
    while True:
        partitions = {
            found["topic"]: [TopicPartition(found["topic"], each["partition"]) for each in found["partitions"]]
            for found in await admin.describe_topics(names)
        }
        if all(partitions.get(name) for name in names) or loop.time() >= until:
            return {name: partitions.get(name, []) for name in names}
        await asyncio.sleep(_POLL_S)


def _partitions(topic: Topic, settings: Settings) -> int:
    return topic.partitions or settings.partitions


async def _report(settings: Settings, topics: tuple[Topic, ...], created: set[str]) -> list[TopicReport]:
    admin = AIOKafkaAdminClient(**kafka_options(settings), request_timeout_ms=_TIMEOUT_MS)
    consumer = AIOKafkaConsumer(**kafka_options(settings), request_timeout_ms=_TIMEOUT_MS)
    await admin.start()
    await consumer.start()
    try:
        names = [settings.topic(topic.name) for topic in topics]
        partitions = await _list_partitions(admin, names)
        configs = await _configs(admin, names)
        everything = [each for name in names for each in partitions[name]]
        begin = await consumer.beginning_offsets(everything)
        end = await consumer.end_offsets(everything)
    finally:
        await consumer.stop()
        await admin.close()
    reports = []
    for topic, name in zip(topics, names, strict=True):
        differences = _differences(topic, settings, len(partitions[name]), configs[name])
        reports.append(
            TopicReport(
                name=name,
                outcome="created" if name in created else "differs" if differences else "exists",
                differences=() if name in created else differences,
                partitions=len(partitions[name]),
                records=sum(end[each] - begin[each] for each in partitions[name]),
                end_offset=sum(end[each] for each in partitions[name]),
                purpose=topic.purpose,
            )
        )
    return reports


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for _code, _message, _type, name, entries in response.resources:
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


def _differences(topic: Topic, settings: Settings, partitions: int, config: dict[str, Any]) -> tuple[str, ...]:
    wanted = {"partitions": _partitions(topic, settings), **topic.config}
    found = {"partitions": partitions, **config}
    return tuple(
        f"{field}: {found.get(field)}, not {value}"
        for field, value in wanted.items()
        if str(found.get(field)) != str(value)
    )
