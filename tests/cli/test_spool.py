"""`tokentrail spool` as a user types it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tokentrail.compose.environ import worker_environ
from tokentrail.producers.calls import Call
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.spool.bus import Spool
from tokentrail.settings import Settings


def spool(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tokentrail.cli.main", "spool", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)


def leave_calls(settings: Settings, root: Path, count: int) -> None:
    """Be a process that never knew a broker."""
    kept = Spool.from_settings(Settings(kafka_configured=False, spool=root, topic_prefix=settings.topic_prefix))
    recorder = Recorder(kept.append)
    for _ in range(count):
        recorder.started(Call())
    assert kept.commit()
    kept.close(0)


@pytest.mark.broker
def test_what_is_left_is_listed_then_shipped_then_gone(settings: Settings, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    environ = {**worker_environ(settings), "TOKENTRAIL_SPOOL": str(root)}
    for count in (3, 4):
        leave_calls(settings, root, count)
    leave_calls(Settings(topic_prefix="other."), root, 5)

    listed = json.loads(spool(environ, "list", "--json").stdout)
    assert sorted((entry["records"], entry["state"]) for entry in listed) == [(3, "left"), (4, "left"), (5, "left")]
    one = next(entry["directory"] for entry in listed if entry["records"] == 4)
    assert "4 records shipped" in spool(environ, "ship", one).stdout
    shipped = spool(environ, "ship", str(root), "--json")
    assert shipped.returncode == 1
    done = json.loads(shipped.stdout)
    other = next(entry["directory"] for entry in listed if entry["records"] == 5)
    assert done == {"shipped": 3, "found": 0, "lost": 0, "in_use": [], "meant_elsewhere": [other]}
    assert [str(path) for path in root.iterdir()] == [other]


def test_a_directory_in_use_is_left_to_its_process(settings: Settings, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    kept = Spool.from_settings(Settings(kafka_configured=False, spool=root))
    Recorder(kept.append).started(Call())
    assert kept.commit()
    environ = {**worker_environ(settings), "TOKENTRAIL_SPOOL": str(root)}

    (listed,) = json.loads(spool(environ, "list", "--json").stdout)
    assert (listed["records"], listed["state"]) == (1, "in use")
    assert "is in use" in spool(environ, "ship").stdout
    kept.close(0)


def test_without_spool_or_broker_one_sentence_says_what_to_do(settings: Settings, tmp_path: Path) -> None:
    environ = {**worker_environ(settings), "TOKENTRAIL_SPOOL": str(tmp_path / "none")}
    missing = spool(environ, "ship")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("tokentrail: There is no spool at ")
    del environ["TOKENTRAIL_KAFKA"]
    assert "set TOKENTRAIL_KAFKA" in spool(environ, "ship", str(tmp_path)).stderr


def test_a_broker_that_is_away_costs_nothing_but_time(settings: Settings, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    leave_calls(settings, root, 3)
    environ = worker_environ(settings)
    failed = spool(environ, "ship", str(root), "--timeout", "3")
    assert failed.returncode == 1
    waiting, _, gave_up = failed.stderr.partition("\n")
    assert re.match(rf"Waiting for Kafka at {settings.kafka} to take what is in {root}; giving up at \d\d:", waiting)
    assert gave_up.startswith("tokentrail: Kafka at")
    assert "did not take all" in gave_up
    assert [entry["records"] for entry in json.loads(spool(environ, "list", str(root), "--json").stdout)] == [3]
