"""The same log, read by one worker of each kind or by two that share it: the same alerts, byte for byte."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from call_log import START, Call, generate_calls
from topic_log import as_record, end_the_log, read_batches, wait_for_alerts

from tokentrail.compose.embedded.stack import running_stack
from tokentrail.compose.embedded.stack_plan import StackPlan
from tokentrail.compose.topics import create_topics
from tokentrail.processors.replay import Replay
from tokentrail.processors.rules import load_rules
from tokentrail.producers.publisher import Publisher
from tokentrail.schemas.alerts import encode_alert
from tokentrail.settings import Settings

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

DETECTION = frozenset({"slice", "watch"})
PARTITIONS = 4


async def _publish(settings: Settings, calls: Sequence[Call]) -> None:
    publisher = Publisher.from_settings(settings)
    for call in calls:
        assert publisher(as_record(call))
    assert await asyncio.to_thread(publisher.flush, 60)
    publisher.close()


async def test_a_second_worker_that_joins_in_the_middle_changes_no_alert(settings: Settings, tmp_path: Path) -> None:
    own = msgspec.structs.replace(
        settings, topic_prefix=f"two.{settings.topic_prefix}", partitions=PARTITIONS, idle_after_ms=600_000
    )
    await create_topics(own)
    calls = generate_calls(seed=3, per_second=4.0)
    middle = len(calls) // 2
    async with running_stack(StackPlan(data=tmp_path / "one", settings=own, parts=DETECTION)):
        await _publish(own, calls[:middle])
        async with running_stack(StackPlan(data=tmp_path / "two", settings=own, parts=DETECTION)):
            await _publish(own, calls[middle:])
            await end_the_log(own, START + timedelta(hours=3))
            batches = await read_batches(own)
            replay = Replay(load_rules(), range(PARTITIONS), own.allowed_lateness_ms)
            expected = sorted(encode_alert(alert) for alert in replay.run(batches))
            assert sorted(set(await wait_for_alerts(own, expected))) == expected
