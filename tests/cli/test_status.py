import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tokentrail.compose.embedded.stack_state import PartReport, StackState, state_path, write_state
from tokentrail.compose.environ import worker_environ
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.migrations import migrate


def run_status(environ: dict[str, str], directory: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tokentrail.cli.main", "status", *options]
    return subprocess.run(command, env=environ, cwd=directory, capture_output=True, text=True, check=False, timeout=60)


def test_each_service_that_is_away_gets_its_own_sentence_and_no_traceback(tmp_path: Path) -> None:
    away = Settings(kafka="127.0.0.1:1", clickhouse="http://127.0.0.1:1", data=tmp_path)
    done = run_status(worker_environ(away), tmp_path)
    assert done.returncode == 1
    # Whichever gave up first is told first.
    said = sorted(done.stderr.strip().splitlines(), key=lambda line: "ClickHouse at" in line)
    assert len(said) == 2
    assert "Kafka at 127.0.0.1:1 does not answer" in said[0]
    assert "ClickHouse at http://127.0.0.1:1 does not answer" in said[1]


def run_stack(data: Path, settings: Settings) -> None:
    """Say that this process is a stack."""
    slice_part = PartReport(
        name="slice", state="ready", pid=1, address="", restarts=0, started_at=0, detail="counting", log="slice.log"
    )
    state_path(data).parent.mkdir(parents=True)
    state = StackState(
        pid=os.getpid(),
        pid_started_at=psutil.Process().create_time(),
        kafka=settings.kafka,
        clickhouse=settings.clickhouse,
        topic_prefix=settings.topic_prefix,
        clickhouse_database=settings.clickhouse_database,
        parts=(slice_part,),
    )
    write_state(data, state)


def test_the_stack_of_another_trail_is_not_shown_as_this_one_but_named(tmp_path: Path) -> None:
    here = Settings(kafka="127.0.0.1:1", clickhouse="http://127.0.0.1:1", data=tmp_path)
    run_stack(tmp_path, Settings(kafka="127.0.0.1:1", clickhouse="http://127.0.0.1:1", topic_prefix="other."))
    done = run_status(worker_environ(here), tmp_path, "--json")
    assert json.loads(done.stdout)["stack"] is None
    assert f"tokentrail status --data {tmp_path}" in done.stderr


def test_a_directory_without_a_stack_is_told_in_a_sentence(tmp_path: Path) -> None:
    done = run_status(dict(os.environ), tmp_path, "--data", "nowhere")
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "tokentrail: No stack runs on nowhere; start one with `tokentrail up --data nowhere`."
    )


@pytest.mark.broker
@pytest.mark.engine
def test_a_stack_is_found_by_its_directory_wherever_it_listens(settings: Settings, tmp_path: Path) -> None:
    migrate(settings)
    run_stack(tmp_path / "stack", settings)
    elsewhere = worker_environ(Settings(kafka="127.0.0.1:1", clickhouse="http://127.0.0.1:1"))
    done = run_status(elsewhere, tmp_path, "--data", "stack", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["kafka"], told["clickhouse"]) == (settings.kafka, settings.clickhouse)
    assert [part["detail"] for part in told["stack"]["parts"]] == ["counting"]


@pytest.mark.broker
@pytest.mark.engine
def test_a_trail_that_is_up_is_told_with_its_lag_its_records_and_its_rows(settings: Settings, tmp_path: Path) -> None:
    migrate(settings)
    done = run_status(worker_environ(settings), tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {name: part["lag"] for name, part in told["parts"].items()} == {"slice": 0, "watch": 0, "ledger": 0}
    assert told["rows"] == {"calls": 0, "event_log": 0}
    assert told["records"]["llm.dead-letters"] == 0
    assert told["stack"] is None
    assert "llm.calls" in run_status(worker_environ(settings), tmp_path).stdout
