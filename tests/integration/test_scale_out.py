"""Live calls, quiet partitions, a second worker of each kind that joins in: the alerts are those of the log."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from call_log import make_call
from topic_log import as_record, read_batches, wait_for_alerts

from tokentrail.compose.embedded.stack import running_stack
from tokentrail.compose.embedded.stack_plan import StackPlan
from tokentrail.compose.topics import create_topics
from tokentrail.processors.replay import Replay
from tokentrail.processors.rules import load_rules
from tokentrail.producers.publisher import Publisher
from tokentrail.schemas.alerts import encode_alert
from tokentrail.schemas.events import WATERMARK
from tokentrail.settings import Settings

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

DETECTION = frozenset({"slice", "watch"})
PARTITIONS = 4
MODELS = 6


async def _call_live(settings: Settings, first: int, tenths: int) -> None:
    """Calls now, from one producer: the other partitions stay quiet. Each model fails 60 times in all."""
    publisher = Publisher.from_settings(settings)
    for number in range(first, first + tenths):
        for model in range(MODELS):
            call = make_call(number * MODELS + model, datetime.now(UTC), request_model=f"m{model}", status="TIMEOUT")
            assert publisher(as_record(call))
        await asyncio.sleep(0.1)  # live calls take their time
    assert await asyncio.to_thread(publisher.close, 60)


async def _told_by_the_log(settings: Settings) -> list[bytes]:
    batches = await read_batches(settings)
    assert any(WATERMARK.encode() in (payload or b"") for batch in batches for payload in batch.payloads)
    replay = Replay(load_rules(), range(PARTITIONS), settings.allowed_lateness_ms)
    return [encode_alert(alert) for alert in replay.run(batches)]


async def test_a_second_worker_that_joins_in_the_middle_changes_no_alert(settings: Settings, tmp_path: Path) -> None:
    own = msgspec.structs.replace(settings, topic_prefix=f"two.{settings.topic_prefix}", partitions=PARTITIONS)
    await create_topics(own)
    async with running_stack(StackPlan(data=tmp_path / "one", settings=own, parts=DETECTION)):
        await _call_live(own, 0, 30)
        joining = asyncio.create_task(_call_live(own, 30, 30))
        async with running_stack(StackPlan(data=tmp_path / "two", settings=own, parts=DETECTION)):
            await joining
            async with asyncio.timeout(60):
                while len(expected := await _told_by_the_log(own)) < MODELS:  # noqa: ASYNC110 - the log has no event
                    await asyncio.sleep(0.2)
            told = await wait_for_alerts(own, expected)
            assert len(told) == len(set(told)), "a state change was told twice"
            assert set(told) <= set(await _told_by_the_log(own))
            assert set(expected) <= set(told)
