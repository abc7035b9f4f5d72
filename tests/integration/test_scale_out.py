"""Live calls, quiet partitions, a second worker of each kind that joins in: the alerts are those of the log."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from call_log import make_call
from topic_log import as_record, read_batches, wait_for_alerts

from tokentrail.compose.embedded.stack import Stack, running_stack
from tokentrail.compose.embedded.stack_plan import StackPlan
from tokentrail.compose.topics import create_topics
from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.price_sources import open_price_book
from tokentrail.processors.replay import Replay
from tokentrail.processors.rules import load_rules
from tokentrail.producers.publisher import Publisher
from tokentrail.schemas.alerts import encode_alert
from tokentrail.schemas.events import GENESIS_HASH, WATERMARK
from tokentrail.settings import Settings

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

DETECTION = frozenset({"slice", "watch"})
PARTITIONS = 4
MODELS = 6
STORM = b'"rule":"high_error_rate","rule_version"'


class LiveCalls:
    """Calls now, from one producer with a whole chain: the other partitions stay quiet."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made = 0
        self._last_hash = GENESIS_HASH

    async def make(self, tenths: int) -> None:
        """Each tenth of a second every model fails once."""
        publisher = Publisher.from_settings(self._settings)
        for _ in range(tenths):
            for model in range(MODELS):
                now = datetime.now(UTC)
                call = make_call(
                    self._made, now, request_model=f"m{model}", status="TIMEOUT", prev_hash=self._last_hash
                )
                self._made += 1
                self._last_hash = sha256(call.payload).hexdigest()
                assert publisher(as_record(call))
            await asyncio.sleep(0.1)  # live calls take their time
        assert await asyncio.to_thread(publisher.close, 60)


async def _told_by_the_log(settings: Settings) -> list[bytes]:
    batches = await read_batches(settings)
    assert any(WATERMARK.encode() in (payload or b"") for batch in batches for payload in batch.payloads)
    cost = CostMeter(open_price_book(settings))
    replay = Replay(load_rules(), range(PARTITIONS), settings.allowed_lateness_ms, cost)
    return [encode_alert(alert) for alert in replay.run(batches)]


async def _wait_until_all_is_told(settings: Settings) -> None:
    async with asyncio.timeout(120):
        expected = await _told_by_the_log(settings)
        while sum(STORM in told for told in expected) < MODELS:
            await asyncio.sleep(0.2)  # the log has no event to wait for
            expected = await _told_by_the_log(settings)
    told = await wait_for_alerts(settings, expected)
    assert len(told) == len(set(told)), "a state change was told twice"
    assert set(told) <= set(await _told_by_the_log(settings))
    assert set(expected) <= set(told)


def _detection(settings: Settings, data: Path) -> AbstractAsyncContextManager[Stack]:
    return running_stack(StackPlan(data=data, settings=settings, parts=DETECTION))


async def _own(settings: Settings, name: str) -> Settings:
    own = msgspec.structs.replace(settings, topic_prefix=f"{name}.{settings.topic_prefix}", partitions=PARTITIONS)
    await create_topics(own)
    return own


async def test_a_second_worker_that_joins_in_the_middle_changes_no_alert(settings: Settings, tmp_path: Path) -> None:
    own = await _own(settings, "two")
    calls = LiveCalls(own)
    async with _detection(own, tmp_path / "one"):
        await calls.make(30)
        joining = asyncio.create_task(calls.make(30))
        async with _detection(own, tmp_path / "two"):
            await joining
            await _wait_until_all_is_told(own)


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_two_then_four_then_one_worker_change_no_alert(settings: Settings, tmp_path: Path) -> None:
    own = await _own(settings, "four")
    calls = LiveCalls(own)
    async with _detection(own, tmp_path / "one"):
        async with _detection(own, tmp_path / "two"):
            await calls.make(30)
            going_on = asyncio.create_task(calls.make(400))
            async with _detection(own, tmp_path / "three"), _detection(own, tmp_path / "four"):
                await asyncio.sleep(15)  # four of each kind share the work for a while
        await going_on
        await calls.make(30)
        await _wait_until_all_is_told(own)
