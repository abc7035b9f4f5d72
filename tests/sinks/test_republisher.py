"""A stretch of the log, published again."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from call_log import START, generate_calls
from file_logs import write_files
from ledger_log import run_command
from topic_log import read_topic

from tokentrail.processors.file_log import FileLog
from tokentrail.processors.log_source import KeptRecord
from tokentrail.processors.replay_speed import ReplaySpeed
from tokentrail.producers.publisher import Publisher
from tokentrail.producers.records import Record, rebuild_headers
from tokentrail.schemas import topics
from tokentrail.schemas.events import SCHEMA_VERSION, Watermark
from tokentrail.settings import Settings
from tokentrail.sinks.republisher import keep_records, republish

CALLS = generate_calls(seconds=60)


def _publish(settings: Settings) -> None:
    publisher = Publisher.from_settings(settings)
    for call in CALLS:
        publisher(Record(f"producer-{call.producer}".encode(), call.payload, rebuild_headers(call.payload)))
    assert publisher.close(60)


def test_key_and_headers_follow_from_an_event_and_a_watermark_has_neither(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    watermark = msgspec.json.encode(Watermark(schema_version=SCHEMA_VERSION, watermark=datetime.now(UTC)))
    path.write_bytes(CALLS[0].payload + b"\n" + watermark + b"\n")
    ((call, mark),) = keep_records(FileLog([path]).read([0]))
    assert (call.key, call.value) == (f"producer-{CALLS[0].producer}".encode(), CALLS[0].payload)
    assert call.headers == rebuild_headers(CALLS[0].payload)
    assert (mark.key, mark.headers, mark.value) == (None, [], watermark)


@pytest.mark.broker
def test_a_topic_is_published_again_byte_for_byte_with_keys_headers_and_order(settings: Settings) -> None:
    _publish(settings)
    environ = {"TOKENTRAIL_KAFKA": settings.kafka, "TOKENTRAIL_TOPIC_PREFIX": settings.topic_prefix}
    answer = run_command(environ, "replay", "--topic", "llm.calls", "--to-topic", "again")
    assert answer.returncode == 0, answer.stderr
    assert f"{len(CALLS):,} records published to {settings.topic('again')}" in answer.stderr
    before, after = (
        [
            (record.partition, record.key, record.value, record.headers)
            for record in asyncio.run(read_topic(settings, name))
        ]
        for name in (topics.CALLS.name, "again")
    )
    assert len(before) == len(CALLS)
    assert all(headers for *_, headers in before)
    assert sorted(after, key=str) == sorted(before, key=str)
    for partition in range(settings.partitions):
        assert [row for row in after if row[0] == partition] == [row for row in before if row[0] == partition]


@pytest.mark.broker
def test_files_go_where_their_keys_belong(settings: Settings, tmp_path: Path) -> None:
    paths = write_files(tmp_path, CALLS, 3)
    source = FileLog(paths)
    # The second and third file's partitions are not the topic's; its own would put two producers elsewhere.
    records = (
        [msgspec.structs.replace(record, partition=99) for record in some]
        for some in keep_records(source.read([0, 1, 2]))
    )
    sent = asyncio.run(republish(settings, settings.topic(topics.CALLS.name), records, ReplaySpeed(0)))
    _publish(settings)
    found = asyncio.run(read_topic(settings, topics.CALLS.name))
    assert (sent, len(found)) == (len(CALLS), 2 * len(CALLS))
    homes: dict[bytes, set[int]] = {}
    for record in found:
        homes.setdefault(record.key, set()).add(record.partition)
    assert {len(partitions) for partitions in homes.values()} == {1}


@pytest.mark.broker
def test_with_a_speed_records_come_as_far_apart_as_they_were(settings: Settings) -> None:
    first_ms = int(START.timestamp() * 1000)
    records = [KeptRecord(0, first_ms + step_ms, b"k", b"{}", []) for step_ms in (0, 40_000, 60_000)]
    asyncio.run(republish(settings, settings.topic(topics.CALLS.name), iter([records]), ReplaySpeed(100)))
    times_ms = [record.timestamp for record in asyncio.run(read_topic(settings, topics.CALLS.name))]
    assert times_ms[1] - times_ms[0] >= 390
    assert times_ms[2] - times_ms[1] >= 190


@pytest.mark.broker
def test_the_topic_of_the_live_calls_is_written_to_only_when_asked_twice(settings: Settings, tmp_path: Path) -> None:
    (path,) = write_files(tmp_path, CALLS, 1)
    environ = {"TOKENTRAIL_KAFKA": settings.kafka, "TOKENTRAIL_TOPIC_PREFIX": settings.topic_prefix}
    arguments = ("replay", "--file", str(path), "--to-topic", "llm.calls")
    refused = run_command(environ, *arguments)
    assert refused.returncode == 2
    assert "counted, billed and" in " ".join(refused.stderr.replace("│", " ").split())
    assert asyncio.run(read_topic(settings, topics.CALLS.name)) == []
    assert run_command(environ, *arguments, "--yes").returncode == 0
    assert len(asyncio.run(read_topic(settings, topics.CALLS.name))) == len(CALLS)
