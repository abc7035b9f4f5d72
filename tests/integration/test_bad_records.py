"""What must not be in `llm.calls` is named in the dead letters or flagged, and the pipeline goes on."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import clickhouse_connect
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from call_log import make_call

from tokentrail.compose.embedded.stack import running_stack
from tokentrail.compose.embedded.stack_plan import WORKERS, StackPlan
from tokentrail.schemas import topics
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.dead_letters import DeadLetter
from tokentrail.settings import Settings

pytestmark = [pytest.mark.broker, pytest.mark.engine]

NOW = datetime.now(UTC)
TEN_YEARS = timedelta(days=3650)
STORM = 60


def _changed(**fields: object) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(make_call(1, NOW).payload), **fields})


BAD = {
    "invalid_json": b'{"type": "llm.call.completed", oops',
    "invalid_event": _changed(producer_seq="seven"),
    "unsupported_version": _changed(schema_version="2.0"),
    "oversized": _changed(error_message="x" * 2_000_000),
    "unknown_type": _changed(type="llm.call.dreamt"),
}


async def _publish(settings: Settings) -> dict[str, tuple[int, int]]:
    """Bad records between good ones, in partition 0. Returns where each bad one went."""
    placed = {}
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka, acks="all", max_request_size=4_000_000, compression_type="zstd"
    ) as producer:
        topic = settings.topic(topics.CALLS.name)

        async def send(payload: bytes) -> tuple[int, int]:
            sent = await producer.send_and_wait(topic, payload, partition=0)
            return sent.partition, sent.offset

        await send(make_call(0, NOW - timedelta(seconds=30)).payload)
        for reason, payload in BAD.items():
            placed[reason] = await send(payload)
        await send(make_call(900, NOW + TEN_YEARS).payload)
        await send(make_call(901, NOW - TEN_YEARS).payload)
        for number in range(STORM):
            await send(make_call(1000 + number, NOW, request_model="broken", status="SERVER_ERROR").payload)
    return placed


async def _alert_of(settings: Settings, rule: str, entity: str) -> Alert:
    async with AIOKafkaConsumer(
        settings.topic(topics.ALERTS.name), bootstrap_servers=settings.kafka, auto_offset_reset="earliest"
    ) as consumer:
        while True:
            alert = msgspec.json.decode((await consumer.getone()).value, type=Alert)
            if (alert.rule, alert.entity) == (rule, entity):
                return alert


async def _dead_letters(settings: Settings, count: int) -> list[DeadLetter]:
    async with AIOKafkaConsumer(
        settings.topic(topics.DEAD_LETTERS.name), bootstrap_servers=settings.kafka, auto_offset_reset="earliest"
    ) as consumer:
        return [msgspec.json.decode((await consumer.getone()).value, type=DeadLetter) for _ in range(count)]


async def _suspect_calls(settings: Settings) -> list[tuple[str, bool]]:
    client = await clickhouse_connect.get_async_client(dsn=settings.clickhouse, database=settings.clickhouse_database)
    query = "SELECT call_id, clock_suspect FROM calls ORDER BY kafka_offset"
    rows: list[tuple[str, bool]] = []
    while len(rows) < STORM + 3:
        rows = [tuple(row) for row in (await client.query(query)).result_rows]
        await asyncio.sleep(0.1)
    await client.close()
    return [(call_id, suspect) for call_id, suspect in rows if suspect]


async def test_bad_records_are_named_and_the_pipeline_goes_on(settings: Settings, tmp_path: Path) -> None:
    plan = StackPlan(data=tmp_path / "stack", settings=settings, parts=WORKERS)
    async with running_stack(plan), asyncio.timeout(60):
        placed = await _publish(settings)

        letters = {letter.reason: letter for letter in await _dead_letters(settings, len(BAD))}
        assert {reason: (letter.partition, letter.offset) for reason, letter in letters.items()} == placed
        assert {reason: letter.size_bytes for reason, letter in letters.items()} == {r: len(b) for r, b in BAD.items()}

        alert = await _alert_of(settings, "high_error_rate", "broken")
        assert abs(alert.occurred_at - NOW) < timedelta(minutes=1), "a clock ten years off moved the watermark"

        assert await _suspect_calls(settings) == [("call-900", True), ("call-901", True)]
