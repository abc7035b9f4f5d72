"""The whole demo, as a newcomer runs it: on a stack of its own, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "tokentrail.cli.main", "demo"]


def environ(directory: Path) -> dict[str, str]:
    """A user's environment without a trail of their own; temporary files go where the test can see them."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOKENTRAIL_")}
    return {**clean, "TMPDIR": str(directory), "TOKENTRAIL_KEY_PEPPER": "a pepper for tests"}


def run_demo(directory: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *options],
        cwd=directory, env=environ(directory), capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip


def processes_below(directory: Path) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)  # noqa: S607  # wherever it is
    return [line for line in listed.stdout.splitlines() if str(directory) in line]


@pytest.mark.timeout(420)
@pytest.mark.broker
@pytest.mark.engine
def test_the_demo_finds_every_incident_loses_no_call_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert json.loads(done.stdout) == summary
    assert summary["ok"]
    assert summary["calls_published"] == summary["ledger_calls"] > 28_185
    assert summary["alerts_by_rule"].keys() >= {"high_error_rate", "high_request_volume", "token_spike"}
    assert summary["incidents_missed"] == summary["false_alerts"] == []
    assert "Who spent what" in done.stderr
    assert not list(tmp_path.glob("tokentrail-*"))
    assert not processes_below(tmp_path)


@pytest.mark.soak
@pytest.mark.broker
@pytest.mark.engine
def test_ctrl_c_in_the_middle_stops_every_process_and_takes_the_data_away(tmp_path: Path) -> None:
    with subprocess.Popen(COMMAND, cwd=tmp_path, env=environ(tmp_path), stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        for line in demo.stdout:
            if "into Kafka" in line:
                demo.send_signal(signal.SIGINT)
                break
        demo.stdout.read()
    assert demo.returncode == 130
    assert not list(tmp_path.glob("tokentrail-*"))
    assert not processes_below(tmp_path)


def test_data_of_another_run_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "something").touch()
    done = run_demo(tmp_path, "--data", "data")
    assert done.returncode == 1
    assert "data is not an empty directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_summary_that_could_not_be_written_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--summary", "missing/summary.json")
    assert done.returncode == 1
    assert "--summary" in done.stderr
