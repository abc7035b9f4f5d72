import json
import subprocess
import sys
from pathlib import Path

import pytest

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
    said = done.stderr.strip().splitlines()
    assert len(said) == 2
    assert "Kafka at 127.0.0.1:1 does not answer" in said[0]
    assert "ClickHouse at http://127.0.0.1:1 does not answer" in said[1]


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
