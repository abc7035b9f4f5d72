"""The log in a topic."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from call_log import make_call

from tokentrail.errors import BrokerError
from tokentrail.processors import topic_log
from tokentrail.processors.event_range import EventRange
from tokentrail.processors.topic_log import OffsetRange, TopicLog
from tokentrail.schemas import topics
from tokentrail.schemas.events import SCHEMA_VERSION, Watermark
from tokentrail.settings import Settings

NOW = datetime.now(UTC)


async def _fill(settings: Settings) -> dict[int, list[bytes]]:
    """Twenty calls a partition, a second apart, then what cannot be read, a tombstone and a watermark."""
    written: dict[int, list[bytes]] = {0: [], 1: []}
    watermark = msgspec.json.encode(Watermark(schema_version=SCHEMA_VERSION, watermark=NOW))
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all") as producer:
        for partition, values in written.items():
            calls = [make_call(n, NOW + timedelta(seconds=n - 40), user_id=f"u{partition}") for n in range(20)]
            values.extend([*(call.payload for call in calls), b"{", watermark])
            for value in [*values[:-1], None, values[-1]]:
                await producer.send_and_wait(
                    settings.topic(topics.CALLS.name), value, b"key", partition, headers=[("ce_type", b"x")]
                )
    return written


def _payloads(log: TopicLog, partition: int) -> list[Any]:
    return [payload for batch in log.read([partition]) for payload in batch.payloads]


def _log(settings: Settings, **bounds: Any) -> TopicLog:
    return TopicLog(settings, settings.topic(topics.CALLS.name), **bounds)


@pytest.mark.broker
def test_a_topic_is_read_whole_by_event_time_or_by_offsets(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_log, "FETCH_RECORDS", 7)
    written = asyncio.run(_fill(settings))

    whole = _log(settings)
    assert whole.count_by_partition() == {0: 23, 1: 23}
    batches = list(whole.read([0, 1]))
    for partition in (0, 1):
        offsets = [offset for batch in batches if batch.partition == partition for offset in batch.offsets]
        assert offsets == list(range(23))
        found = [p for batch in batches if batch.partition == partition for p in batch.payloads if p is not None]
        assert found == written[partition]
    assert whole.fraction == 1.0
    assert all(abs(ms / 1000 - NOW.timestamp()) < 86_400 for batch in batches for ms in batch.timestamps_ms)

    by_time = _log(settings, within=EventRange(NOW - timedelta(seconds=35), NOW - timedelta(seconds=25)))
    assert _payloads(by_time, 1) == written[1][5:15], "what cannot be read has no time"
    until_now = _log(settings, within=EventRange(NOW, NOW + timedelta(seconds=1)))
    assert _payloads(until_now, 0) == [written[0][-1]], "a watermark counts at what it promises"

    by_offset = _log(settings, offsets=OffsetRange(begin={0: 18}, end={0: 20}, begin_of_every=3, end_of_every=5))
    assert by_offset.count_by_partition() == {0: 2, 1: 2}
    assert (_payloads(by_offset, 0), _payloads(by_offset, 1)) == (written[0][18:20], written[1][3:5])

    kept = [record for some in _log(settings).read_kept() for record in some]
    assert [record.value for record in kept if record.partition == 1] == written[1]
    assert {(record.key, tuple(record.headers)) for record in kept} == {(b"key", (("ce_type", b"x"),))}


@pytest.mark.broker
def test_an_absent_topic_is_named_and_not_made(settings: Settings) -> None:
    for _ in range(2):
        with pytest.raises(BrokerError, match=r"has no topic .*nowhere"):
            TopicLog(settings, settings.topic("nowhere")).count_by_partition()


def test_an_absent_broker_is_named() -> None:
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1"):
        TopicLog(Settings(kafka="127.0.0.1:1"), "llm.calls").count_by_partition()
