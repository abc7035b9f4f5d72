"""One log as topic, archive and file: replay tells the same of each, and the live alerts are no different."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from call_log import generate_calls
from ledger_log import run_command, running_worker, wait_for_rows
from topic_log import as_record, read_topic, wait_for_alerts

from tokentrail.compose.environ import worker_environ
from tokentrail.producers.publisher import Publisher
from tokentrail.schemas import topics
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.migrations import migrate

pytestmark = [pytest.mark.broker, pytest.mark.engine]

START = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=40)
UNTIL = START + timedelta(minutes=60)
CALLS = generate_calls(seconds=1500, per_second=2.0, start=START)


def _write_lines(settings: Settings, path: Path) -> None:
    """As the simulator writes records: with partition, offset and arrival."""
    lines = [
        b'{"partition":%d,"offset":%d,"timestamp_ms":%d,"event":%b}\n'
        % (record.partition, record.offset, record.timestamp, record.value)
        for record in asyncio.run(read_topic(settings, topics.CALLS.name))
    ]
    path.write_bytes(b"".join(lines))


def test_topic_archive_and_file_tell_the_same_alerts_byte_for_byte(settings: Settings, tmp_path: Path) -> None:
    environ = worker_environ(settings)
    publisher = Publisher.from_settings(settings)
    assert all(publisher(as_record(call)) for call in CALLS)
    assert publisher.close(60)
    migrate(settings)
    with running_worker(environ):
        wait_for_rows(settings, len(CALLS), len(CALLS))
    _write_lines(settings, tmp_path / "log.jsonl")

    begin, end = START.isoformat(), UNTIL.isoformat()
    sources = {
        "archive": (),
        "topic": ("--topic", "llm.calls"),
        "file": ("--file", str(tmp_path / "log.jsonl")),
    }
    told = {}
    for name, source in sources.items():
        answer = run_command(environ, "replay", "--from", begin, "--to", end, "--json", *source)
        assert answer.returncode == 0, answer.stderr
        assert f"{len(CALLS):,} records in" in answer.stderr
        told[name] = answer.stdout
    assert told["archive"] == told["topic"] == told["file"]
    assert told["topic"].count('"firing"') >= 3
    in_two = run_command(environ, "replay", "--from", begin, "--to", end, "--json", "--processes", "2")
    assert in_two.stdout == told["archive"]

    _compare_with_live(settings, environ, told["topic"], (begin, end))


def _compare_with_live(settings: Settings, environ: dict[str, str], told: str, bounds: tuple[str, str]) -> None:
    """What the alert topic holds is what live detection would have written: the replayed alerts, but for one."""
    alerts = [line.encode() for line in told.splitlines()]
    gone = json.loads(alerts[0])["alert_id"]
    kept = [alert for alert in alerts if json.loads(alert)["alert_id"] != gone]

    async def write() -> None:
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka) as producer:
            for alert in kept:
                await producer.send_and_wait(settings.topic(topics.ALERTS.name), alert)
        await wait_for_alerts(settings, kept)

    asyncio.run(write())
    stretch = ("--topic", "llm.calls", "--from", bounds[0], "--to", bounds[1])
    document = json.loads(run_command(environ, "replay", *stretch, "--against", "live", "--json").stdout)
    firing = sum(1 for alert in alerts if json.loads(alert)["state"] == "firing")
    assert document["counts"] == {"new": 1, "gone": 0, "earlier": 0, "later": 0, "unchanged": firing - 1}
