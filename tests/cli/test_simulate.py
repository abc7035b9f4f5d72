"""`tokentrail simulate` as a user types it."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import msgspec
import pytest
from ledger_log import run_command
from topic_log import read_topic
from typer.testing import CliRunner

from tokentrail.cli.pipeline import app
from tokentrail.processors.file_log import FileLog
from tokentrail.processors.simulation.labels import Labels
from tokentrail.schemas import topics
from tokentrail.schemas.decoding import decode_event
from tokentrail.schemas.events import CallCompleted, CallStarted
from tokentrail.settings import Settings

SMALL = ["--days", "0.05", "--calls-per-day", "2000", "--start", "2026-03-02T10:00"]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["simulate", *arguments])
    return result.exit_code, result.output


def test_a_file_and_its_labels_are_written(tmp_path: Path) -> None:
    out, labels = tmp_path / "day.jsonl.gz", tmp_path / "labels.json"
    code, said = run(*SMALL, "--seed", "3", "--incidents", "wrong_key", "--out", str(out), "--labels", str(labels))
    assert code == 0, said
    told = msgspec.json.decode(labels.read_bytes(), type=Labels)
    assert (told.seed, told.days, told.start) == (3, 0.05, datetime(2026, 3, 2, 10, tzinfo=UTC))
    assert {incident.kind for incident in told.incidents} == {"wrong_key"}
    log = FileLog([out])
    payloads = [payload for batch in log.read(sorted(log.count_by_partition())) for payload in batch.payloads]
    events = [decode_event(payload) for payload in payloads]
    assert any(isinstance(event, CallStarted) for event in events)
    assert f"{len(events):,} records" in said


def test_by_default_it_ends_now(tmp_path: Path) -> None:
    labels = tmp_path / "labels.json"
    before = datetime.now(UTC)
    assert run("--days", "2", "--incidents", "none", "--labels", str(labels))[0] == 0
    told = msgspec.json.decode(labels.read_bytes(), type=Labels)
    assert before <= told.start + timedelta(days=2) <= datetime.now(UTC)
    assert not told.incidents


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "--out FILE"),
        (["--out", "x.jsonl", "--incidents", "earthquake"], "earthquake"),
        (["--out", "x.jsonl", "--speed", "1"], "--speed is for"),
    ],
)
def test_a_mistake_is_told(arguments: list[str], why: str) -> None:
    code, said = run(*arguments)
    assert code == 2
    assert why in " ".join(said.replace("│", " ").split())


@pytest.mark.broker
def test_records_reach_the_topic_in_the_order_of_each_producer(settings: Settings, environ: dict[str, str]) -> None:
    run_command(environ, "simulate", *SMALL, "--seed", "3", "--to-topic")
    read = asyncio.run(read_topic(settings, topics.CALLS.name))
    last: dict[str, int] = {}
    for record in read:
        event = decode_event(record.value)
        assert isinstance(event, CallStarted | CallCompleted)
        assert record.key == event.producer_id.encode()
        assert dict(record.headers)["ce_id"] == event.event_id.encode()
        assert event.producer_seq == last.get(event.producer_id, 0) + 1
        last[event.producer_id] = event.producer_seq
    assert len(read) > 50


@pytest.mark.broker
def test_live_traffic_happens_now(settings: Settings, environ: dict[str, str]) -> None:
    before = datetime.now(UTC)
    run_command(
        environ, "simulate", "--days", "0.01", "--calls-per-day", "200000", "--incidents", "none", "--to-topic",
        "--speed", "200",
    )  # fmt: skip
    read = asyncio.run(read_topic(settings, topics.CALLS.name))
    newest = max(cast("CallStarted", decode_event(record.value)).occurred_at for record in read)
    assert before - timedelta(minutes=1) < newest <= datetime.now(UTC)
    assert read[-1].timestamp - read[0].timestamp > 2_000
