"""A worker's process, as its log shows it."""

import subprocess
import sys

import pytest

PROGRAM = """
import logging, os, signal
from tokentrail.processors.watch_worker import WatchWorker
from tokentrail.processors.worker_process import run_until_stopped
from tokentrail.settings import current_settings

app = WatchWorker(current_settings()).app

@app.task
async def speak():
    logging.getLogger("elsewhere").info("chatter")
    logging.getLogger("elsewhere").warning("something is odd")
    print("printed")
    if {ending} == 1:
        raise RuntimeError("no such luck")
    os.kill(os.getpid(), signal.SIGTERM)

run_until_stopped(app)
"""


@pytest.mark.broker
@pytest.mark.parametrize("ending", [0, 1])
def test_a_workers_log_has_its_warnings_and_errors_and_nothing_for_a_terminal(
    environ: dict[str, str], ending: int
) -> None:
    program = PROGRAM.format(ending=ending)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    log = done.stdout + done.stderr
    assert "something is odd" in log
    assert ("RuntimeError: no such luck" in log) == bool(ending)
    assert done.returncode == ending
    assert "chatter" not in log
    assert "\x1b" not in log
    assert "\b" not in log
