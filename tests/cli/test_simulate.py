"""`tokentrail simulate` as a user types it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from tokentrail.cli.pipeline import app
from tokentrail.processors.file_log import FileLog
from tokentrail.processors.simulation.labels import Labels
from tokentrail.schemas.decoding import decode_event
from tokentrail.schemas.events import CallStarted

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
