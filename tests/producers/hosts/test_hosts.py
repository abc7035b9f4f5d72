"""The shim in the processes it lives in: forks, pools, event loops, exits, threads, kills; no loss, no hang."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from spool_log import completed_labels, read_whole_chains

HEAD = """
import os, sys, threading, time
import requests
import tokentrail
URL = os.environ["PROVIDER"]
tokentrail.install(service="host", relays={"openai": URL})

def ask(feature, model="gpt-x", **options):
    with tokentrail.context(feature=feature):
        answer = requests.post(
            f"{URL}/chat/completions", json={"model": model, "messages": [{"role": "user", "content": feature}]},
            headers={"Authorization": "Bearer sk-proj-0123456789abcdefghijklmnop"}, timeout=20, **options,
        )
        assert answer.status_code == 200, answer.text
        return answer.content
"""
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
    for number in range(CYCLES):
        process = multiprocessing.get_context("spawn").Process(target=ask, args=(f"child-{number}",))
        process.start(); process.join()
        assert process.exitcode == 0
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
def several(number):
    for turn in range(CYCLES):
        ask(f"{number}-{turn}")
threads = [threading.Thread(target=several, args=(number,)) for number in range(64)]
for thread in threads: thread.start()
for thread in threads: thread.join()
""",
}


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
    }
    return sorted(found[body])


@pytest.fixture
def environ(provider_url: str, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOKENTRAIL_")}
    return {
        **kept,
        "PROVIDER": provider_url,
        "TOKENTRAIL_SPOOL": str(tmp_path / "spool"),
        "TOKENTRAIL_KEY_PEPPER": "of the tests",
        "TOKENTRAIL_CONFIG": str(empty_file(tmp_path / "tokentrail.toml")),
    }


def empty_file(path: Path) -> Path:
    path.touch()
    return path


def run(body: str, cycles: int, environ: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(HEAD + BODIES[body].replace("CYCLES", str(cycles)))
    command = [sys.executable, "-W", "ignore", str(program)]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.parametrize("body", BODIES)
def test_every_call_is_recorded_once(body: str, environ: dict[str, str], tmp_path: Path) -> None:
    cycles = 3 if body in {"threads", "multiprocessing spawn"} else 10

    run(body, cycles, environ, tmp_path)

    assert completed_labels(tmp_path / "spool", "feature") == expected(body, cycles)


@pytest.mark.soak
@pytest.mark.parametrize("body", BODIES)
def test_every_call_is_recorded_once_a_thousand_times(body: str, environ: dict[str, str], tmp_path: Path) -> None:
    cycles = {"threads": 16, "multiprocessing spawn": 200}.get(body, 1_000)

    run(body, cycles, environ, tmp_path)

    assert completed_labels(tmp_path / "spool", "feature") == expected(body, cycles)


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


KILLED = """
from tokentrail.producers.trail import default_scribe
default_scribe().flush(20)  # what it imports at the start is there
number = 0
while True:
    ask(f"call-{number}")
    os.write(1, b"%d %d\\n" % (number, time.monotonic_ns()))
    number += 1
"""


def kill_at_a_random_moment(
    chance: random.Random, environ: dict[str, str], tmp_path: Path, *, committed_after_s: float
) -> None:
    """Kill a program that makes calls; what it had recorded so long before must be there."""
    program = tmp_path / "program.py"
    program.write_text(HEAD + KILLED)
    with subprocess.Popen([sys.executable, str(program)], env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        time.sleep(chance.uniform(0, 1))  # the random moment
        killed_ns = time.monotonic_ns()
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read()
    made = [line.split() for line in said.decode().splitlines() if len(line.split()) == 2]
    sure = {f"call-{number}" for number, at_ns in made if (killed_ns - int(at_ns)) / 1e9 > committed_after_s}
    found = completed_labels(tmp_path / "spool", "feature")
    assert sure <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_loses_nothing_older_than_a_group_commit(seed: int, environ: dict[str, str], tmp_path: Path) -> None:
    # Far more than the 10 ms it takes: other tests may have the processors. `make soak` looks at the 10 ms.
    kill_at_a_random_moment(random.Random(seed), environ, tmp_path, committed_after_s=0.5)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_kill_9_five_hundred_times(environ: dict[str, str], tmp_path: Path) -> None:
    chance = random.Random(500)
    for number in range(500):
        folder = tmp_path / str(number)
        folder.mkdir()
        own = {**environ, "TOKENTRAIL_SPOOL": str(folder / "spool")}
        kill_at_a_random_moment(chance, own, folder, committed_after_s=0.010)


GUNICORN = (
    HEAD
    + """
def app(environ, start_response):
    ask(environ["QUERY_STRING"])
    start_response("200 OK", [])
    return [b"done"]
"""
)


def test_gunicorn_workers_forked_from_a_preloaded_app_lose_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(GUNICORN)
    socket = tmp_path / "port"
    command = [
        sys.executable, "-m", "gunicorn", "--preload", "--workers", "3", "--bind", "127.0.0.1:0",
        "--max-requests", "5", "--graceful-timeout", "10", "--chdir", str(tmp_path), "served:app",
    ]  # fmt: skip
    with socket.open("w") as log, subprocess.Popen(command, env=environ, stderr=log) as process:
        try:
            port = wait_for_port(socket)
            for number in range(20):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/?{number}", timeout=20) as answer:
                    assert answer.read() == b"done"
        finally:
            process.terminate()
            assert process.wait(20) == 0

    assert completed_labels(tmp_path / "spool", "feature") == sorted(str(number) for number in range(20))


def wait_for_port(log: Path) -> int:
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        for line in log.read_text().splitlines():
            if "Listening at: http://127.0.0.1:" in line:
                return int(line.partition("127.0.0.1:")[2].partition(" ")[0])
        time.sleep(0.05)
    raise AssertionError(json.dumps(log.read_text()))
