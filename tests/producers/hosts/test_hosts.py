"""The shim in the processes it lives in: forks, pools, event loops, exits, threads; no loss, no hang."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from host_program import HEAD, keep_figures, run_host
from spool_log import completed_labels, read_spool, read_whole_chains

BODIES = {
    "fork": """
ask("parent")
for number in range(CYCLES):
    child = os.fork()
    if not child:
        ask(f"child-{number}")
        os._exit(0)
    ask(f"parent-{number}")
    assert os.waitpid(child, 0)[1] == 0
""",
    "fork inside a call": """
ask("parent")  # what requests itself imports in the first call, a fork must not fall into
for number in range(CYCLES):
    thread = threading.Thread(target=ask, args=(f"thread-{number}",))
    thread.start()
    time.sleep(number % 7 / 1000)  # the moment, other ones each time
    child = os.fork()
    if not child:
        ask(f"child-{number}")
        os._exit(0)
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
""",
    "multiprocessing fork": """
import multiprocessing
context = multiprocessing.get_context("fork")
ask("parent")
for number in range(CYCLES):
    process = context.Process(target=ask, args=(f"child-{number}",))
    process.start(); process.join()
    assert process.exitcode == 0
with context.Pool(2) as pool:
    pool.map(ask, [f"pool-{number}" for number in range(4)])
    pool.close(); pool.join()
""",
    "multiprocessing spawn": """
import multiprocessing
if __name__ == "__main__":
    ask("parent")
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=ask, args=(f"child-{number}",)) for number in range(CYCLES)]
    for pair in zip(processes[::2], processes[1::2]):  # nothing is faster here than two at once
        for process in pair: process.start()
        for process in pair: process.join()
        assert [process.exitcode for process in pair] == [0, 0]
""",
    "asyncio.run twice": """
import asyncio, aiohttp
async def ask_async(feature):
    with tokentrail.context(feature=feature):
        async with aiohttp.ClientSession() as session:
            body = {"model": "gpt-x", "messages": []}
            async with session.post(f"{URL}/chat/completions", json=body) as answer:
                await answer.read()
async def several(number):
    await asyncio.gather(*(ask_async(f"{number}-{task}") for task in range(3)))
for number in range(CYCLES):
    asyncio.run(several(number))
""",
    "threads": """
for turn in range(CYCLES):
    threads = [threading.Thread(target=ask, args=(f"{number}-{turn}",)) for number in range(64)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
""",
    "threads without a pause": """
def several(number):
    for turn in range(CYCLES):
        ask(f"{number}-{turn}")
threads = [threading.Thread(target=several, args=(number,)) for number in range(64)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
    "exit inside a call": """
import http.client
getresponse, sent = http.client.HTTPConnection.getresponse, threading.Event()
def noting(connection):
    sent.set()
    return getresponse(connection)
ask("parent")
http.client.HTTPConnection.getresponse = noting
for number in range(CYCLES):
    child = os.fork()
    if not child:  # ends as any interpreter does: with its atexit, its threads and its garbage
        threading.Thread(target=ask, args=(f"child-{number}", "slow"), daemon=True).start()
        sent.wait()
        time.sleep(number % 5 / 1000)
        sys.exit()
    ended, deadline_s = (0, 0), time.monotonic() + 20
    while not ended[0] and time.monotonic() < deadline_s:
        time.sleep(0.001)
        ended = os.waitpid(child, os.WNOHANG)
    assert ended == (child, 0), ended
""",
}
CYCLES = {"threads": 3, "threads without a pause": 3, "multiprocessing spawn": 4}
SOAK_CYCLES = {"threads without a pause": 100}
"""So many calls of each of the 64 threads make as many steps as a process lets wait; above them it drops and counts."""


def expected(body: str, cycles: int) -> list[str]:
    """Return the features of all calls that a program makes."""
    numbers = range(cycles)
    children = [f"child-{number}" for number in numbers]
    found = {
        "fork": ["parent", *children, *(f"parent-{number}" for number in numbers)],
        "fork inside a call": ["parent", *children, *(f"thread-{number}" for number in numbers)],
        "multiprocessing fork": ["parent", *children, *(f"pool-{number}" for number in range(4))],
        "multiprocessing spawn": ["parent", *children],
        "asyncio.run twice": [f"{number}-{task}" for number in numbers for task in range(3)],
        "threads": [f"{number}-{turn}" for number in range(64) for turn in numbers],
        "threads without a pause": [f"{number}-{turn}" for number in range(64) for turn in numbers],
        "exit inside a call": ["parent", *children],
    }
    return sorted(found[body])


def features(spool: Path, body: str) -> list[str]:
    """Return the features of all calls in the spool that are as they should be: ended, unless the program was first."""
    if body != "exit inside a call":
        return completed_labels(spool, "feature")
    return sorted(event["feature"] for event in read_whole_chains(spool) if event["type"] == "llm.call.started")


@pytest.mark.parametrize("body", BODIES)
def test_every_call_is_recorded_once(body: str, environ: dict[str, str], tmp_path: Path) -> None:
    cycles = CYCLES.get(body, 10)

    run_host(BODIES[body].replace("CYCLES", str(cycles)), environ, tmp_path, timeout_s=120)

    assert features(tmp_path / "spool", body) == expected(body, cycles)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("body", BODIES)
def test_every_call_is_recorded_once_a_thousand_times(body: str, environ: dict[str, str], tmp_path: Path) -> None:
    cycles = int(os.environ.get("DURABILITY_CYCLES") or SOAK_CYCLES.get(body, 1_000))
    began_s = time.monotonic()

    run_host(BODIES[body].replace("CYCLES", str(cycles)), environ, tmp_path, timeout_s=3000)

    judge(body, cycles, features(tmp_path / "spool", body), expected(body, cycles), began_s)


def judge(campaign: str, cycles: int, found: list[str], made: list[str], began_s: float) -> None:
    """Keep a campaign's figures, whatever they are, and hold it to them."""
    lost, doubled = Counter(made) - Counter(found), Counter(found) - Counter(made)
    counts = {"cycles": cycles, "calls": len(made), "lost": lost.total(), "doubled": doubled.total()}
    keep_figures(campaign, {**counts, "seconds": round(time.monotonic() - began_s)})
    assert not lost, lost
    assert not doubled, doubled


ENDS = {
    "a daemon thread is in a call": """
threading.Thread(target=ask, args=("slow one", "slow"), daemon=True).start()
time.sleep(0.3)
""",
    "an exception": 'raise RuntimeError("boom")',
    "sys.exit in a thread and in the main program": """
thread = threading.Thread(target=lambda: (ask("last"), sys.exit(3)))
thread.start(); thread.join()
sys.exit(0)
""",
    "SIGTERM": """
from tokentrail.producers.trail import default_scribe
default_scribe().flush(20)
os.kill(os.getpid(), 15); time.sleep(10)
""",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_that_ends_leaves_its_calls_and_does_not_hang(
    end: str, environ: dict[str, str], tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(f'{HEAD}\nask("first")\ntime.sleep(0.05)\n{ENDS[end]}\n')

    subprocess.run([sys.executable, str(program)], env=environ, capture_output=True, timeout=15, check=False)

    events = read_whole_chains(tmp_path / "spool")
    assert "first" in [event["feature"] for event in events if event["type"] == "llm.call.completed"]


GUNICORN = (
    HEAD
    + """
def app(environ, start_response):
    ask(environ["QUERY_STRING"])
    start_response("200 OK", [])
    return [b"done"]
"""
)


def serve_and_ask(environ: dict[str, str], tmp_path: Path, requests: int, requests_a_worker: int) -> None:
    (tmp_path / "served.py").write_text(GUNICORN)
    socket = tmp_path / "port"
    command = [
        sys.executable, "-m", "gunicorn", "--preload", "--workers", "3", "--bind", "127.0.0.1:0",
        "--max-requests", str(requests_a_worker), "--graceful-timeout", "10", "--chdir", str(tmp_path), "served:app",
    ]  # fmt: skip
    with socket.open("w") as log, subprocess.Popen(command, env=environ, stderr=log) as process:
        try:
            port = wait_for_port(socket)
            for number in range(requests):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/?{number}", timeout=20) as answer:
                    assert answer.read() == b"done"
        finally:
            process.terminate()
            assert process.wait(20) == 0


def test_gunicorn_workers_forked_from_a_preloaded_app_lose_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    serve_and_ask(environ, tmp_path, requests=20, requests_a_worker=5)

    assert completed_labels(tmp_path / "spool", "feature") == sorted(str(number) for number in range(20))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_gunicorn_workers_lose_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    began_s = time.monotonic()

    serve_and_ask(environ, tmp_path, requests=1_000, requests_a_worker=1)

    workers = len(read_spool(tmp_path / "spool"))
    made = [str(number) for number in range(1_000)]
    judge("gunicorn prefork", workers, completed_labels(tmp_path / "spool", "feature"), made, began_s)
    assert workers >= 1_000


def wait_for_port(log: Path) -> int:
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        for line in log.read_text().splitlines():
            if "Listening at: http://127.0.0.1:" in line:
                return int(line.partition("127.0.0.1:")[2].partition(" ")[0])
        time.sleep(0.05)
    raise AssertionError(json.dumps(log.read_text()))
