"""kill -9 of every part while thousands of calls flow: the tables and the alerts are those of an undisturbed run."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import clickhouse_connect
import msgspec
import pytest
from call_log import START, Call, generate_calls
from topic_log import as_record, end_the_log, read_batches, wait_for_alerts

from tokentrail.compose.embedded.stack import Stack, running_stack
from tokentrail.compose.embedded.stack_plan import WORKERS, StackPlan
from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.price_sources import open_price_book
from tokentrail.processors.replay import Replay
from tokentrail.processors.rules import load_rules
from tokentrail.producers.publisher import Publisher
from tokentrail.schemas.alerts import encode_alert
from tokentrail.settings import Settings

pytestmark = [pytest.mark.broker, pytest.mark.engine]

VICTIMS = ("slice", "watch", "ledger", "kafka", "engine")
SETTINGS = Settings(
    partitions=4,
    idle_after_ms=600_000,  # the calls carry times of long ago; the end of the log is told by `end_the_log`
    flush_interval_s=0.5,
    key_pepper="a pepper for tests",
)


def _calls(count: int) -> list[Call]:
    return generate_calls(seed=7, seconds=3600, per_second=count / 3600)


async def _publish(settings: Settings, calls: Sequence[Call], seconds: float) -> None:
    """Publish evenly over a time, through the real publisher."""
    publisher = Publisher.from_settings(settings)
    step = max(1, int(len(calls) / (seconds * 20)))
    for start in range(0, len(calls), step):
        for call in calls[start : start + step]:
            assert publisher(as_record(call))
        await asyncio.sleep(0.05)
    assert await asyncio.to_thread(publisher.close, 60)
    await end_the_log(settings, START + timedelta(hours=3))


async def _kill_at_random(stack: Stack, publishing: asyncio.Task[None], seed: int) -> list[str]:
    chance = random.Random(seed)
    victims = list(VICTIMS)
    chance.shuffle(victims)
    killed: list[str] = []
    while not publishing.done():
        victim = victims[len(killed) % len(victims)]
        await stack.wait_ready(victim, restarts=killed.count(victim))
        await asyncio.sleep(chance.uniform(0.2, 2.0))  # the random moment; others may be down still
        await stack.kill(victim)
        killed.append(victim)
    return killed


def _oracle(batches: Sequence[object]) -> list[bytes]:
    cost = CostMeter(open_price_book(SETTINGS))
    replay = Replay(load_rules(), range(SETTINGS.partitions), SETTINGS.allowed_lateness_ms, cost)
    return sorted(encode_alert(alert) for alert in replay.run(batches))  # type: ignore[arg-type]  # record batches


async def _wait_for_rows(settings: Settings, table: str, expected: int) -> list[tuple[int, int]]:
    """(rows, distinct positions) once there are enough rows; then once more, so that a duplicate would show."""
    client = await clickhouse_connect.get_async_client(dsn=settings.clickhouse, database=settings.clickhouse_database)
    query = f"SELECT count(), uniqExact(kafka_partition, kafka_offset) FROM {table}"  # noqa: S608 - a table of ours
    async with asyncio.timeout(90):
        while (await client.query(query)).result_rows[0][0] < expected:  # noqa: ASYNC110 - a table has no event
            await asyncio.sleep(0.2)
    rows = [tuple(row) for row in (await client.query(query)).result_rows]
    await client.close()
    return rows


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("seed", "count", "seconds"),
    [(1, 15_000, 12), *(pytest.param(seed, 50_000, 60, marks=pytest.mark.soak) for seed in range(1, 12))],
)
async def test_kill_9_at_random_moments_loses_nothing_and_doubles_nothing(
    tmp_path: Path, seed: int, count: int, seconds: int
) -> None:
    calls = _calls(count)
    plan = StackPlan(data=tmp_path / "stack", settings=msgspec.structs.replace(SETTINGS, topic_prefix="storm."))
    async with running_stack(plan) as stack:
        settings = stack.settings
        publishing = asyncio.create_task(_publish(settings, calls, seconds))
        killed = await _kill_at_random(stack, publishing, seed)
        await publishing
        assert set(killed) == set(VICTIMS)
        for victim in VICTIMS:  # the last one may be down still
            await stack.wait_ready(victim, restarts=killed.count(victim))

        batches = await read_batches(settings)
        records = sum(len(batch.offsets) for batch in batches)
        assert records == len(calls) + SETTINGS.partitions
        expected = _oracle(batches)
        alerts = await wait_for_alerts(settings, expected)
        assert sorted(set(alerts)) == expected
        assert len(alerts) == len(expected), "a state change was told twice"
        assert await _wait_for_rows(settings, "event_log", records) == [(records, records)]
        assert await _wait_for_rows(settings, "calls", len(calls)) == [(len(calls), len(calls))]

        calm = msgspec.structs.replace(settings, topic_prefix="calm.", clickhouse_database="calm")
        calm_plan = StackPlan(data=tmp_path / "calm", settings=calm, parts=WORKERS)
        async with running_stack(calm_plan):
            await _publish(calm, calls, seconds=3)
            undisturbed = await wait_for_alerts(calm, expected)
            assert sorted(undisturbed) == expected
