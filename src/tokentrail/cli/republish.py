"""`tokentrail replay --to-topic`: a stretch of the log, published again."""

import asyncio
import time
from typing import TYPE_CHECKING

import typer

from tokentrail.cli.output import err
from tokentrail.schemas import topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokentrail.cli.log_sources import Stretch
    from tokentrail.processors.log_source import KeptRecord, LogSource
    from tokentrail.settings import Settings


def republish(settings: "Settings", stretch: "Stretch", topic: str, *, speed: float, yes: bool) -> None:
    """Publish the records of a stretch to a topic, which is created like that of the calls if it is missing.

    Raises:
        typer.BadParameter: it is the topic of the live calls, and nobody said yes.
        TokentrailError: the log cannot be read, or the topic not be written to.
    """
    from tokentrail.compose.topics import create_topics
    from tokentrail.processors.replay_speed import ReplaySpeed
    from tokentrail.sinks.republisher import republish

    if topic == topics.CALLS.name and not yes:
        raise typer.BadParameter(
            f"{settings.topic(topic)} holds the live calls: what is published there again is counted, billed and "
            "alerted on again. Give another topic, or --yes."
        )
    started = time.perf_counter()
    counts = stretch.source.count_by_partition()
    wanted = topics.Topic(
        name=topic,
        partitions=max([settings.partitions, *(partition + 1 for partition in counts)]),
        config=topics.CALLS.config,
        purpose="records published again",
    )

    async def run() -> int:
        if topic != topics.CALLS.name:
            await create_topics(settings, [wanted])
        return await republish(settings, settings.topic(topic), _records(stretch.source, counts), ReplaySpeed(speed))

    sent = asyncio.run(run())
    err.print(f"{sent:,} records published to {settings.topic(topic)} in {time.perf_counter() - started:.1f} s.")


def _records(source: "LogSource", counts: dict[int, int]) -> "Iterator[list[KeptRecord]]":
    from tokentrail.processors.topic_log import TopicLog
    from tokentrail.sinks.republisher import keep_records

    return source.read_kept() if isinstance(source, TopicLog) else keep_records(source.read(sorted(counts)))
