"""How fast `tokentrail replay` goes over a day of calls, of files and of the archive, in one process and in several.

Simulated calls at the rate of a large day (2.3 million calls are 4.6 million events) are written to a file of records,
and from it into `event_log` of an engine of its own. Measured is the whole command, from its start to its end, with all
shipped rules; its output must be the same each time, byte for byte. Memory is that of all its processes, at each
quarter of the run. Run by `python -m benchmarks.replay`; writes benchmarks/results/replay.json.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil
import pyarrow as pa
from benchmarks.detection import LOOP_S, measure_loop
from benchmarks.pipeline import describe_machine

from tokentrail.compose.embedded.stack import running_stack
from tokentrail.compose.embedded.stack_plan import ENGINE, StackPlan
from tokentrail.compose.environ import worker_environ
from tokentrail.processors.file_log import FileLog
from tokentrail.processors.price_sources import open_price_book
from tokentrail.processors.simulation.encoding import encode_records
from tokentrail.processors.simulation.simulation import Simulation
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.ledger_block import MAX_ROWS, Backlog, read_chunks
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate

RESULTS: Final = Path(__file__).parent / "results" / "replay.json"
DAY_CALLS: Final = 2_300_000
DAY_EVENTS: Final = 4_600_000
PARTITIONS: Final = 8
BEGIN: Final = datetime(2026, 1, 6, tzinfo=UTC)
"""A Tuesday."""
HOUR: Final = 10
"""When a part of a day begins: as busy as the day is on average."""
_LOOK_S: Final = 0.1


class _Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes | None


def write_log(path: Path, hours: float) -> None:
    """Write a part of a day to a file of records, packed with zstd."""
    whole = hours >= timedelta(days=1) / timedelta(hours=1)
    start = BEGIN if whole else BEGIN + timedelta(hours=HOUR)
    simulation = Simulation(1, start=start, days=hours / 24, calls_per_day=DAY_CALLS, partitions=PARTITIONS)
    with pa.OSFile(str(path), "wb") as file, pa.CompressedOutputStream(file, "zstd") as packed:
        for batch in encode_records(simulation.batches()):
            for offset, timestamp_ms, payload in zip(batch.offsets, batch.timestamps_ms, batch.payloads, strict=True):
                packed.write(
                    b'{"partition":%d,"offset":%d,"timestamp_ms":%d,"event":%b}\n'
                    % (batch.partition, offset, timestamp_ms, payload or b"null")
                )


def fill_archive(settings: Settings, path: Path) -> None:
    """Write the records of a file to `event_log`, as the ledger writer does."""
    migrate(settings)
    tables, prices, backlog = LedgerTables(settings, "bench"), open_price_book(settings), Backlog()
    log = FileLog([path])
    for batch in log.read(sorted(log.count_by_partition())):
        records = list(map(_Record, batch.offsets, batch.timestamps_ms, batch.payloads))
        for chunk in read_chunks(batch.partition, records, prices):
            backlog.add(chunk, 0)
        while backlog.rows >= MAX_ROWS:
            tables.insert(backlog.take_block())
    while backlog.rows:
        tables.insert(backlog.take_block())


def run_replay(settings: Settings, events: int, *arguments: str) -> dict[str, Any]:
    """Run the command, and return what it took and the hash of what it printed."""
    command = [str(Path(sys.executable).with_name("tokentrail")), "replay", "--json", *arguments]
    loop_s = measure_loop()
    cpu_before_s, began = _cpu_s(), time.perf_counter()
    with tempfile.TemporaryFile() as told:
        with subprocess.Popen(command, stdout=told, env=worker_environ(settings)) as process:
            rss = list(_look(process))
        seconds, cpu_s = time.perf_counter() - began, _cpu_s() - cpu_before_s
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed")
        told.seek(0)
        printed = told.read()
    quarters = [max(rss[len(rss) * n // 4 : len(rss) * (n + 1) // 4 + 1], default=0) >> 20 for n in range(4)]
    found = {
        "seconds": round(seconds, 2),
        "events_per_second": round(events / seconds),
        "seconds_for_a_day": round(seconds * DAY_EVENTS / events, 1),
        "cpu_seconds": round(cpu_s, 2),
        "cpu_us_per_event": round(cpu_s / events * 1e6, 1),
        "rss_mb_by_quarter": quarters,
        "state_changes": printed.count(b"\n"),
        "sha256": sha256(printed).hexdigest(),
        "machine_factor": round(loop_s / LOOP_S, 2),
    }
    print(" ".join(arguments), json.dumps(found), flush=True)
    return found


def _cpu_s() -> float:
    """Return the CPU time of all processes of ours that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _look(process: "subprocess.Popen[bytes]") -> Iterator[int]:
    """Yield the memory of a process and its children, until it ends."""
    root = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            yield sum(each.memory_info().rss for each in (root, *root.children(recursive=True)))
        except psutil.Error:
            continue
        time.sleep(_LOOK_S)


async def measure(given: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Measure every way."""
    path = given.log or directory / "day.jsonl.zst"
    if given.log is None:
        await asyncio.to_thread(write_log, path, given.hours)
    events = sum(FileLog([path]).count_by_partition().values())
    print(f"{events:,} events, {path.stat().st_size >> 20} MiB", flush=True)
    runs: dict[str, Any] = {}
    for processes in given.processes:
        for sift in given.sift:
            arguments = ("--file", str(path), "--processes", str(processes), f"--{sift}")
            runs[f"file_{processes}_{sift}"] = await asyncio.to_thread(run_replay, Settings(), events, *arguments)
    plan = StackPlan(data=directory / "engine", settings=Settings(), parts=frozenset({ENGINE}))
    if not given.no_archive:
        async with running_stack(plan) as stack:
            await asyncio.to_thread(fill_archive, stack.settings, path)
            # Nothing but what is there, and as far as a file goes: the alerts that stay open stay so.
            bounds = ("--from", str(BEGIN - timedelta(days=1)), "--to", str(BEGIN + timedelta(days=2)))
            for processes in given.processes:
                wanted = (*bounds, "--processes", str(processes))
                runs[f"archive_{processes}"] = await asyncio.to_thread(run_replay, stack.settings, events, *wanted)
    identical = {
        source: len({run["sha256"] for name, run in runs.items() if name.startswith(source)}) == 1
        for source in ("file", "archive")
        if any(name.startswith(source) for name in runs)
    }
    return {"events": events, "hours": given.hours, "byte_identical": identical, "runs": runs}


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=24.0, help="of a day of 2.3 million calls")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="in how many processes")
    parser.add_argument("--sift", nargs="+", choices=("sift", "no-sift"), default=["sift", "no-sift"], help="of files")
    parser.add_argument("--log", type=Path, help="a file of records, in place of one made up for `--hours`")
    parser.add_argument("--no-archive", action="store_true", help="files only")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tokentrail-bench-") as directory:
        found = asyncio.run(measure(given, Path(directory)))
    found |= {"machine": describe_machine(), "command": " ".join(["python -m benchmarks.replay", *sys.argv[1:]])}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
