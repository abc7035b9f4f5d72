"""The follower of the log beside the ledger writer: findings all the time, checkpoints every so often."""

import asyncio
import logging
import time
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tokentrail.kafka_security import kafka_options
from tokentrail.schemas import topics
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.log_follower import LogFollower, load_key
from tokentrail.sinks.clickhouse.sole_worker import SoleWorker
from tokentrail.sinks.integrity.checkpoint import CHECKPOINT

PAUSE_S: Final = 1.0
"""Between two looks at a log that gave little."""
CATCH_UP_S: Final = 5.0
"""How long a checkpoint may read before it is signed: whoever stops us does not wait longer."""
MANY_ROWS: Final = 1_000
"""With so many in one look, there may be more."""

_log = logging.getLogger(__name__)


def follower_worker(settings: Settings) -> SoleWorker:
    """Return the worker that follows the log; of all processes that run one, one works.

    Raises:
        SettingsError: the signing key cannot be used.
    """
    key = load_key(settings)

    async def work(released: asyncio.Event) -> None:
        lines: list[bytes] = []
        follower = LogFollower(settings, key, lines.append)
        try:
            await _follow(settings, follower, released, lines)
        finally:
            follower.close()

    return SoleWorker(settings, "ledger-follower", "The ledger's chains cannot be followed", work)


async def _follow(settings: Settings, follower: LogFollower, released: asyncio.Event, lines: list[bytes]) -> None:
    await asyncio.to_thread(follower.recover)
    due_s = time.monotonic() + settings.checkpoint_interval_s
    while not released.is_set():
        begin_s = time.monotonic()
        count = await asyncio.to_thread(follower.step)
        if time.monotonic() >= due_s:
            await asyncio.to_thread(follower.checkpoint, None, CATCH_UP_S)
            due_s = time.monotonic() + settings.checkpoint_interval_s
            await publish_checkpoints(settings, lines)
        # Behind a writer that catches up, half of the time is left to it.
        pause_s = min(PAUSE_S, time.monotonic() - begin_s) if count >= MANY_ROWS else PAUSE_S
        try:
            await asyncio.wait_for(released.wait(), pause_s)
        except TimeoutError:
            continue
    await asyncio.to_thread(follower.save)


async def publish_checkpoints(settings: Settings, lines: list[bytes]) -> None:
    """Tell Kafka of new checkpoints; those that it does not take are told with the next."""
    if not lines:
        return
    producer = AIOKafkaProducer(**kafka_options(settings), acks="all", enable_idempotence=True)
    try:
        await producer.start()
        while lines:
            await producer.send_and_wait(
                settings.topic(topics.ALERTS.name),
                lines[0],
                key=CHECKPOINT.encode(),
                headers=[("ce_type", CHECKPOINT.encode())],
            )
            del lines[0]
    except KafkaError as error:
        _log.warning("Kafka did not take a checkpoint, which is told again with the next one: %s", error)
    finally:
        await producer.stop()
