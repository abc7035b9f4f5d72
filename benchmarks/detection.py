"""What detection takes: live beside other stream processors on the same broker, in memory, and over a day of history.

Live: a topic is filled; slice and watch run it dry with all shipped rules, and what is reported is how many events one
core does: the CPU time of both processes, from the first event on, by event. Peers then do the same sums of the same
topic: see benchmarks/detection_peer.py. Delay: as benchmarks/pipeline.py has it, at 10,000 events/s, without the
ledger. Memory: benchmarks/detection_memory.py. History: `tokentrail replay` of what `tokentrail simulate` made up.
Run by `make bench-detection`; writes benchmarks/results/detection.json and replay.json.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from benchmarks.pipeline import ProcessUsage, describe_machine, patience, publish, wait_for_alerts
from benchmarks.shim import Peer, environment

from tokentrail.compose.embedded.stack import Stack, running_stack
from tokentrail.compose.embedded.stack_plan import KAFKA, StackPlan
from tokentrail.compose.topics import create_topics
from tokentrail.processors.rules import load_rules
from tokentrail.processors.tally_plan import plan_tallies
from tokentrail.settings import Settings

RESULTS: Final = Path(__file__).parent / "results"
PEER: Final = Path(__file__).with_name("detection_peer.py")
MEMORY: Final = Path(__file__).with_name("detection_memory.py")
DETECTION: Final = frozenset(("slice", "watch"))
PATIENCE_S: Final = 600
DAY_CALLS: Final = 2_300_000
LOOP_S: Final = 0.25
"""What `measure_loop` takes on the machine that others are compared with."""
PEERS: Final = (
    # The newest of each on 2026-11: pinned, so that the figures of two runs compare.
    Peer("quix", ("quixstreams==3.28.1", "msgspec>=0.20"), "quixstreams"),
    Peer("bytewax", ("bytewax[kafka]==0.21.1", "msgspec>=0.20"), "bytewax"),
    # What tokentrail itself is built on; setuptools for its pkg_resources, cramjam for records in zstd.
    Peer("faust", ("faust-streaming==0.15.3", "cramjam>=2.8", "setuptools<82", "msgspec>=0.20"), "faust"),
)


def measure_loop() -> float:
    """Return how long five million steps of an empty loop take: how fast this machine is just now."""
    began = time.perf_counter()
    for _ in range(5_000_000):
        pass
    return time.perf_counter() - began


def describe_views() -> str:
    """Return the views of the shipped rules, as peers take them."""
    views = plan_tallies(load_rules()).views
    found = [{"fields": view.dimension.split("+"), "where": dict(view.where)} for view in views]
    return json.dumps(found)


async def measure_own(services: Stack, events: int, rate: int, users: int) -> dict[str, Any]:
    """Fill a topic, and let slice and watch run it dry."""
    settings = msgspec.structs.replace(services.settings, topic_prefix="own.", idle_after_ms=60_000)
    await create_topics(settings)
    filled = await publish(settings, "--events", str(events), "--event-rate", str(rate), "--users", str(users))
    plan = StackPlan(data=services.data / "own", settings=settings, parts=DETECTION)
    async with running_stack(plan) as stack:
        usage, began = ProcessUsage(stack.pids()), time.time()
        with patience():
            async with asyncio.timeout(PATIENCE_S):
                told = await wait_for_alerts(settings, {"last-model"})
        cpu_us = usage.cpu_us(filled["events"])
        return {
            "events_per_core_second": round(1e6 / sum(cpu_us.values())),
            "cpu_us_per_event": cpu_us,
            "events": filled["events"],
            "seconds": round(told["last-model"] / 1000 - began, 2),
            "rss_mb": usage.rss_mb(),
        }


async def measure_peers(services: Stack, events: int, rate: int, users: int) -> dict[str, Any]:
    """Fill a topic, and let each peer run it dry."""
    pythons = {peer.case: environment(peer) for peer in PEERS}
    settings = msgspec.structs.replace(services.settings, topic_prefix="peers.")
    await create_topics(settings)
    filled = await publish(settings, "--events", str(events), "--event-rate", str(rate), "--users", str(users))
    topic, views = settings.topic("llm.calls"), describe_views()
    found = {}
    for case, python in pythons.items():
        command = [str(python), str(PEER), case, "--kafka", settings.kafka, "--topic", topic, "--views", views]
        found[case] = await asyncio.to_thread(run_peer, [*command, "--events", str(filled["events"])])
        print(case, json.dumps(found[case]))
    return found


def run_peer(command: list[str]) -> dict[str, Any]:
    """Run a peer; what it has not done in time is no figure."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=directory, timeout=PATIENCE_S
            )
        except subprocess.TimeoutExpired:
            return {"error": f"had not finished after {PATIENCE_S} s"}
    reported = next((line for line in reversed(ended.stdout.splitlines()) if line.startswith("{")), None)
    if reported is None:
        return {"error": ended.stderr[-500:]}
    figures = json.loads(reported)
    return {
        "events_per_core_second": round(figures["events"] / figures["cpu_s"]),
        "cpu_us_per_event": round(figures["cpu_s"] / figures["events"] * 1e6, 2),
        "events": figures["events"],
        "seconds": round(figures["seconds"], 2),
    }


async def measure_delay(services: Stack, seconds: int, rate: int, users: int) -> dict[str, Any]:
    """Let calls come live, and see how long each probe's alert takes."""
    settings = msgspec.structs.replace(services.settings, topic_prefix="live.")
    plan = StackPlan(data=services.data / "live", settings=settings, parts=DETECTION)
    async with running_stack(plan):
        asked = ("--live", "--events", str(seconds * rate), "--event-rate", str(rate), "--users", str(users))
        published = await publish(settings, *asked)
        probes: dict[str, float] = published["probes"]
        with patience():
            async with asyncio.timeout(PATIENCE_S):
                told = await wait_for_alerts(settings, set(probes))
    delays = sorted(told[model] - recorded for model, recorded in probes.items())
    return {
        "alert_delay_p50_ms": round(delays[len(delays) // 2]),
        "alert_delay_p99_ms": round(delays[int(len(delays) * 0.99)]),
        "alert_delay_max_ms": round(delays[-1]),
        "probes": len(delays),
        "events_per_second": round(published["events"] / published["seconds"]),
    }


def measure_memory(entities: int) -> dict[str, Any]:
    """Return what so many entities take in one watch worker."""
    command = [sys.executable, str(MEMORY), "--entities", str(entities)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def measure_replay(calls: int, directory: Path) -> dict[str, Any]:
    """Make up calls at the pace of a large day, and replay them."""
    log = directory / "day.jsonl"
    tokentrail = str(Path(sys.executable).with_name("tokentrail"))
    days = max(calls / DAY_CALLS, 0.01)  # the shortest that is made up
    made = ("--out", str(log), "--days", str(days), "--calls-per-day", str(calls / days), "--incidents", "none")
    subprocess.run([tokentrail, "simulate", *made], check=True, capture_output=True)
    began = time.perf_counter()
    with subprocess.Popen(
        [tokentrail, "replay", "--file", str(log), "--json"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        peak = PeakMemory(process.pid)
        _, said = process.communicate()
        seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"the replay failed:\n{said}")
    with log.open("rb") as lines:
        events = sum(1 for _ in lines)
    return {
        "events": events,
        "seconds": round(seconds, 2),
        "events_per_second": round(events / seconds),
        "day_seconds": round(2 * DAY_CALLS * seconds / events, 1),
        "peak_rss_mb": peak.stop() >> 20,
        "said": said.strip().splitlines()[-1:],
        "log_mb": log.stat().st_size >> 20,
    }


class PeakMemory:
    """The most memory that a process and its children take together; looks ten times a second."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Stop looking; return the most bytes seen."""
        self._over.set()
        self._thread.join()
        return self._peak

    def _look(self) -> None:
        while not self._over.wait(0.1):
            total = 0
            try:
                for process in (self._process, *self._process.children(recursive=True)):
                    total += process.memory_info().rss
            except psutil.Error:
                continue
            self._peak = max(self._peak, total)


async def measure_live(given: argparse.Namespace) -> dict[str, Any]:
    """Run everything that needs a broker on one, in a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="tokentrail-bench-") as directory:
        plan = StackPlan(data=Path(directory), settings=Settings(), parts=frozenset({KAFKA}))
        async with running_stack(plan) as services:
            loops = [measure_loop()]
            own = await measure_own(services, given.events, given.event_rate, given.users)
            print("tokentrail", json.dumps(own))
            loops.append(measure_loop())
            peers = await measure_peers(services, given.peer_events, given.event_rate, given.users)
            loops.append(measure_loop())
            delay = await measure_delay(services, given.live_seconds, given.live_rate, given.users)
            print("delay", json.dumps(delay))
    return {
        **own,
        **delay,
        "users": given.users,
        "event_rate": given.event_rate,
        "peers": peers,
        "loop_seconds": [round(seconds, 3) for seconds in loops],
        "machine_factor": round(min(loops) / LOOP_S, 2),
    }


def keep(name: str, found: dict[str, Any]) -> None:
    """Write and print results."""
    found |= {"machine": describe_machine(), "command": " ".join(["python -m benchmarks.detection", *sys.argv[1:]])}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: found}, indent=2))


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=("live", "memory", "replay"))
    parser.add_argument("--events", type=int, default=600_000, help="events that slice and watch run dry")
    parser.add_argument("--event-rate", type=int, default=100_000, help="events a second of event time")
    parser.add_argument("--users", type=int, default=30_000, help="so many sessions and addresses, too")
    parser.add_argument("--peer-events", type=int, default=20_000, help="events that each peer runs dry")
    parser.add_argument("--live-rate", type=int, default=10_000, help="events a second of the delay run")
    parser.add_argument("--live-seconds", type=int, default=34, help="length of the delay run")
    parser.add_argument("--entities", type=int, default=1_000_000, help="entities whose memory is measured")
    parser.add_argument("--replay-calls", type=int, default=DAY_CALLS, help="calls that are replayed")
    given = parser.parse_args()
    wanted = set(given.only or ("live", "memory", "replay"))
    found: dict[str, Any] = {}
    if "live" in wanted:
        found |= asyncio.run(measure_live(given))
    if "memory" in wanted:
        found["memory"] = measure_memory(given.entities)
    if found:
        keep("detection", found)
    if "replay" in wanted:
        with tempfile.TemporaryDirectory(prefix="tokentrail-bench-") as directory:
            keep("replay", {**measure_replay(given.replay_calls, Path(directory)), "loop_seconds": measure_loop()})


if __name__ == "__main__":
    main()
