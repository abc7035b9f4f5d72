"""From topic to alerts and queryable rows: broker, engine and all workers on this machine.

Throughput: a topic is filled, then slice, watch and ledger writer start together; the clock runs from the first one
ready until the last row can be queried and the alert of the last calls is in its topic. Delay: calls come live at 5,000
events/s, with ten probes a second (a model that fails 40 times); measured is from the 40th call's own time to the
broker's timestamp on the alert. Run by `make bench`; writes benchmarks/results/pipeline.json.
"""

import argparse
import asyncio
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import clickhouse_connect
import msgspec
import psutil

from tokentrail.compose.embedded.part import PartState, PartStatus
from tokentrail.compose.embedded.stack import Stack, running_stack
from tokentrail.compose.embedded.stack_plan import ENGINE, KAFKA, WORKERS, StackPlan
from tokentrail.compose.environ import worker_environ
from tokentrail.compose.topics import create_topics
from tokentrail.processors.alert_log import follow_alerts
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.migrations import migrate

RESULTS: Final = Path(__file__).parent / "results" / "pipeline.json"
LOAD: Final = Path(__file__).parent / "load.py"
LIVE_RATE: Final = 5_000
PATIENCE_S: Final = 600


async def publish(settings: Settings, *arguments: str) -> dict[str, Any]:
    """Run the load generator in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(LOAD), *arguments, env=worker_environ(settings), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        sys.exit("the load generator failed")
    found: dict[str, Any] = json.loads(output)
    return found


async def wait_for_rows(settings: Settings, events: int) -> float:
    """Return the moment at which every event could be queried in event_log, and every call in calls."""
    client = await clickhouse_connect.get_async_client(dsn=settings.clickhouse, database=settings.clickhouse_database)
    query = "SELECT (SELECT count() FROM event_log), (SELECT count() FROM calls)"
    while (await client.query(query)).result_rows[0] != (events, events // 2):  # noqa: ASYNC110 - no event to await
        await asyncio.sleep(0.1)
    moment = time.time()
    await client.close()
    return moment


async def wait_for_alerts(settings: Settings, models: set[str]) -> dict[str, float]:
    """Return when (Unix ms, the broker's clock) the alert of each model came."""
    found: dict[str, float] = {}
    async for record in follow_alerts(settings, 0):
        if record.alert.entity in models and record.alert.state == "firing":
            found[record.alert.entity] = record.detected_ms
            if models <= found.keys():
                break
    return found


class ProcessUsage:
    """CPU seconds and memory of the stack's processes, from now on."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._before = {name: self._cpu_s(process) for name, process in self._processes.items()}

    def cpu_us(self, events: int) -> dict[str, float]:
        """Return microseconds of CPU per event, by process."""
        return {
            name: round((self._cpu_s(process) - self._before[name]) / events * 1e6, 2)
            for name, process in self._processes.items()
        }

    def rss_mb(self) -> dict[str, int]:
        """Return resident memory, by process."""
        return {name: process.memory_info().rss // 2**20 for name, process in self._processes.items()}

    @staticmethod
    def _cpu_s(process: psutil.Process) -> float:
        times = process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def patience() -> Iterator[None]:
    """Turn a wait without end into a sentence."""
    try:
        yield
    except TimeoutError:
        sys.exit(f"the pipeline had not finished after {PATIENCE_S} s")


async def measure_throughput(services: Stack, run: int, events: int) -> dict[str, Any]:
    """Fill a topic, then let the workers run it dry."""
    settings = msgspec.structs.replace(
        services.settings, topic_prefix=f"full{run}.", clickhouse_database=f"full{run}", idle_after_ms=60_000
    )
    await create_topics(settings)
    await asyncio.to_thread(migrate, settings)
    published = await publish(settings, "--events", str(events), "--seed", str(run))
    usage = ProcessUsage(services.pids())
    ready: list[float] = []
    plan = StackPlan(data=services.data / f"workers{run}", settings=settings, parts=WORKERS)

    def note(status: PartStatus) -> None:
        if status.state is PartState.READY:
            ready.append(time.time())

    async with running_stack(plan, note) as stack:
        workers = ProcessUsage(stack.pids())
        begin = min(ready)
        with patience():
            async with asyncio.timeout(PATIENCE_S):
                rows_at, alerts = await asyncio.gather(
                    wait_for_rows(settings, published["events"]), wait_for_alerts(settings, {"last-model"})
                )
        seconds = max(rows_at, alerts["last-model"] / 1000) - begin
        return {
            "events_per_second": round(published["events"] / seconds),
            "events": published["events"],
            "seconds": round(seconds, 2),
            "rows_seconds": round(rows_at - begin, 2),
            "alerts_seconds": round(alerts["last-model"] / 1000 - begin, 2),
            "published_per_second": round(published["events"] / published["seconds"]),
            "cpu_us_per_event": usage.cpu_us(published["events"]) | workers.cpu_us(published["events"]),
            "rss_mb": usage.rss_mb() | workers.rss_mb(),
            "bytes_per_event": await measure_bytes(services, settings, published["events"]),
        }


async def measure_bytes(services: Stack, settings: Settings, events: int) -> dict[str, float]:
    """Return bytes on disk per event: in Kafka's log of the calls, and in each table."""
    prefix = settings.topic("llm.calls")
    kafka = sum(path.stat().st_size for path in (services.data / "kafka").rglob(f"{prefix}-*/*.log"))
    client = await clickhouse_connect.get_async_client(dsn=settings.clickhouse, database=settings.clickhouse_database)
    query = (
        "SELECT table, sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() GROUP BY 1"
    )
    tables = {str(table): int(size) for table, size in (await client.query(query)).result_rows}
    await client.close()
    stored = {"kafka": kafka, "event_log": tables["event_log"], "calls": tables["calls"]}
    return {name: round(size / events, 1) for name, size in stored.items()}


async def measure_delay(services: Stack, seconds: int) -> dict[str, float]:
    """Let calls come live, and see how long each probe's alert takes."""
    settings = msgspec.structs.replace(services.settings, topic_prefix="live.", clickhouse_database="live")
    plan = StackPlan(data=services.data / "live", settings=settings, parts=WORKERS)
    async with running_stack(plan):
        published = await publish(
            settings, "--live", "--events", str(seconds * LIVE_RATE), "--event-rate", str(LIVE_RATE)
        )
        probes: dict[str, float] = published["probes"]
        with patience():
            async with asyncio.timeout(PATIENCE_S):
                told = await wait_for_alerts(settings, set(probes))
    delays = sorted(told[model] - recorded for model, recorded in probes.items())
    return {
        "alert_delay_p50_ms": round(statistics.median(delays)),
        "alert_delay_p99_ms": round(delays[int(len(delays) * 0.99)]),
        "alert_delay_max_ms": round(delays[-1]),
        "probes": len(delays),
    }


def describe_machine() -> str:
    """Return what a reader must know of the machine."""
    model = platform.processor() or platform.machine()
    memory = psutil.virtual_memory().total // 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{psutil.cpu_count()} cores ({model}), {memory} GiB, {system}"


async def measure(events: int, runs: int, live_seconds: int) -> dict[str, Any]:
    """Run everything on one broker and one engine, in a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="tokentrail-bench-") as directory:
        plan = StackPlan(data=Path(directory), settings=Settings(), parts=frozenset({KAFKA, ENGINE}))
        async with running_stack(plan) as services:
            full = [await measure_throughput(services, run, events) for run in range(runs)]
            for result in full:
                print(json.dumps(result))
            delay = await measure_delay(services, live_seconds)
    full.sort(key=lambda result: result["events_per_second"])
    middle = full[len(full) // 2]
    return {
        "events_per_second": middle["events_per_second"],
        "events_per_second_best": full[-1]["events_per_second"],
        **delay,
        "alert_delay_at_events_per_second": LIVE_RATE,
        "cpu_us_per_event": middle["cpu_us_per_event"] | {"total": round(sum(middle["cpu_us_per_event"].values()), 2)},
        "bytes_per_event": middle["bytes_per_event"],
        "rss_mb": middle["rss_mb"],
        "runs": full,
        "machine": describe_machine(),
    }


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=600_000, help="events a throughput run")
    parser.add_argument("--runs", type=int, default=3, help="throughput runs; the median is reported")
    parser.add_argument("--live-seconds", type=int, default=34, help="length of the delay run")
    arguments = parser.parse_args()
    results = asyncio.run(measure(arguments.events, arguments.runs, arguments.live_seconds))
    results["command"] = " ".join(["python", "benchmarks/pipeline.py", *sys.argv[1:]])
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in results.items() if name != "runs"}, indent=2))
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
