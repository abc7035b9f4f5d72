"""The ledger alone: how fast its writer fills tables and rollups, how fast it answers, and what it takes on disk.

Writing: a topic is filled, then one writer runs it dry into event_log, calls and the rollups, on a real broker and
engine. Answering: calls are made up inside the engine, and the rollups filled by their views' own SELECT (see
ledger_calls); then every named query is asked as `tokentrail query run` asks it, on a connection that is open: of its
own default period, and once more of 30 days where a rollup answers; and some questions of one day are asked of the
calls themselves. What reads the archive is asked of the one day that was made up of it. Run by `make bench-ledger`;
writes benchmarks/results/ledger.json.
"""

import argparse
import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from benchmarks import ledger_calls
from benchmarks.pipeline import PATIENCE_S, ProcessUsage, describe_machine, publish, wait_for_rows
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tokentrail.compose.embedded.stack import Stack, running_stack
from tokentrail.compose.embedded.stack_plan import ENGINE, KAFKA, StackPlan
from tokentrail.compose.environ import worker_environ
from tokentrail.compose.topics import create_topics
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import rollups
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.cost_query import CostQuery
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.named_queries import NamedQuery, catalogue
from tokentrail.sinks.clickhouse.storage import read_storage

RESULTS: Final = Path(__file__).parent / "results" / "ledger.json"
AIM_MS: Final = 100
AIM_RAW_MS: Final = 2_000
RAW_QUESTIONS: Final = (
    (("department", "model"), False),
    (("user",), False),
    (("hour",), False),
    (("session_id",), False),
    (("department",), True),
)
"""By what, and whether the mappings of the day say so."""
ROLLUPS: Final = frozenset(rollup.table for rollup in rollups.ROLLUPS)
LIMITS: Final = json.dumps({f"department-{number}": 1_000_000 for number in range(ledger_calls.DEPARTMENTS)})


async def measure_writing(services: Stack, run: int, events: int) -> dict[str, Any]:
    """Fill a topic, then let one writer run it dry."""
    settings = msgspec.structs.replace(services.settings, topic_prefix=f"full{run}.", clickhouse_database=f"full{run}")
    await create_topics(settings)
    await asyncio.to_thread(migrate, settings)
    published = await publish(settings, "--events", str(events), "--seed", str(run))
    engine = ProcessUsage(services.pids())
    begin = time.time()
    writer = subprocess.Popen(  # noqa: ASYNC220 - it is not waited for
        [sys.executable, "-m", "tokentrail.sinks.clickhouse.ledger_worker"],
        env={**os.environ, **worker_environ(settings)},
    )
    try:
        first = await asyncio.to_thread(_first_row, settings)
        async with asyncio.timeout(PATIENCE_S):
            last = await wait_for_rows(settings, published["events"])
        times = psutil.Process(writer.pid).cpu_times()
        usage = engine.cpu_us(published["events"])
        usage["writer"] = round((times.user + times.system) / published["events"] * 1e6, 2)
    finally:
        writer.terminate()
        writer.wait()
    return {
        "events": published["events"],
        "events_per_second": round(published["events"] / (last - first)),
        "seconds_from_first_row": round(last - first, 2),
        "seconds_from_start_of_the_process": round(last - begin, 2),
        "cpu_us_per_event": usage,
        "storage": storage(settings),
    }


def _first_row(settings: Settings) -> float:
    client = connect(settings)
    query = f"SELECT count() FROM {settings.clickhouse_database}.event_log"  # noqa: S608 - made up here
    while not client.query(query).result_rows[0][0]:
        time.sleep(0.02)
    client.close()
    return time.time()


def measure_answers(settings: Settings, asks: int) -> dict[str, dict[str, Any]]:
    """Ask every named query, and some questions of one day of the calls themselves."""
    now = datetime.now(UTC)
    client = connect(settings, as_reader=True)
    client.database = settings.clickhouse_database
    found: dict[str, dict[str, Any]] = {}
    for name, query in catalogue().items():
        for title, values in periods(query).items():
            bound = query.bind(values, now)
            times = _time(client, query.sql, bound, asks)
            found[f"{name}{title}"] = {"reads": list(query.reads), "aim_ms": aim_ms(query), **times}
    day = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    for by, mapped in RAW_QUESTIONS:
        cost = CostQuery(by=by, since=day, until=day + timedelta(days=1), mapped=mapped)
        sql, parameters = cost.to_sql(settings.clickhouse_database)
        times = _time(client, sql, parameters, asks)
        title = f"cost of a day by {', '.join(by)}{' as mapped' if mapped else ''}"
        found[title] = {"reads": ["calls_corrected"], "aim_ms": AIM_RAW_MS, **times}
    client.close()
    return found


def periods(query: NamedQuery) -> dict[str, dict[str, str]]:
    """Return the values to ask a query with, by what a reader is to know of them."""
    names = {parameter.name: parameter.default for parameter in query.parameters}
    if "limits_usd" in names:
        return {"": {"limits_usd": LIMITS}}
    if "event_log" in query.reads:
        return {", of 24h": {"since": "24h"}}
    if "since" in names and names["since"] != f"{ledger_calls.DAYS}d" and ROLLUPS.issuperset(query.reads):
        return {"": {}, f", of {ledger_calls.DAYS}d": {"since": f"{ledger_calls.DAYS}d"}}
    return {"": {}}


def aim_ms(query: NamedQuery) -> int:
    """Return how long it may take: little where a rollup answers, more where it reads a day of calls."""
    return AIM_RAW_MS if {"calls", "calls_corrected", "event_log"} & {*query.reads} else AIM_MS


def _time(client: Client, sql: str, bound: dict[str, Any], asks: int) -> dict[str, Any]:
    """Ask again and again; a question that is refused, as for its 30 seconds, is told and never fast."""
    taken = []
    for _ in range(asks):
        begin_s = time.perf_counter()
        try:
            client.query(sql, bound)
        except DatabaseError as error:
            return {"p50_ms": None, "p95_ms": None, "max_ms": None, "refused": str(error)[:300]}
        taken.append((time.perf_counter() - begin_s) * 1000)
    taken.sort()
    return {
        "p50_ms": round(statistics.median(taken), 1),
        "p95_ms": round(taken[math.ceil(0.95 * len(taken)) - 1], 1),
        "max_ms": round(taken[-1], 1),
    }


def storage(settings: Settings) -> dict[str, Any]:
    """Return rows, and bytes on disk by call, of each table and in all."""
    tables = read_storage(settings)
    by_call = {one.table: round(one.bytes_per_call, 2) for one in tables if one.bytes_per_call}
    return {
        "rows": {one.table: one.rows for one in tables if one.rows},
        "bytes_per_call": by_call,
        "total_bytes_per_call": round(sum(by_call.values()), 2),
    }


async def measure(events: int, calls: int, runs: int, asks: int) -> dict[str, Any]:
    """Run everything on one broker and one engine, in a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="tokentrail-bench-") as directory:
        plan = StackPlan(data=Path(directory), settings=Settings(), parts=frozenset({KAFKA, ENGINE}))
        async with running_stack(plan) as services:
            writing = [await measure_writing(services, run, events) for run in range(runs)]
            print(json.dumps(writing))
            settings = msgspec.structs.replace(services.settings, clickhouse_database="made_up")
            await asyncio.to_thread(migrate, settings)
            now = datetime.now(UTC)
            rate = await asyncio.to_thread(ledger_calls.make_calls, settings, calls, now)
            stored = await asyncio.to_thread(storage, settings)
            await asyncio.to_thread(ledger_calls.make_mappings, settings)
            await asyncio.to_thread(ledger_calls.make_events, settings, now)
            load = os.getloadavg()
            answers = await asyncio.to_thread(measure_answers, settings, asks)
    return {
        "events_per_second": max((one["events_per_second"] for one in writing), default=None),
        "writing": writing,
        "calls": calls,
        "days": ledger_calls.DAYS,
        "made_up_calls_per_second": round(rate),
        "named_queries": len(catalogue()),
        "slower_than_aimed": {
            name: one["p95_ms"]
            for name, one in answers.items()
            if one["p95_ms"] is None or one["p95_ms"] > one["aim_ms"]
        },
        "asks": asks,
        "answers": answers,
        "made_up": stored,
        "total_bytes_per_call": writing[-1]["storage"]["total_bytes_per_call"] if writing else None,
        "machine": describe_machine(),
        "load_average_before_the_questions": load,
        "load_average_at_the_end": os.getloadavg(),
    }


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=600_000, help="events a writing run")
    parser.add_argument("--runs", type=int, default=3, help="writing runs; the best is reported, all are kept")
    parser.add_argument(
        "--calls",
        type=int,
        default=100_000_000,
        help="calls to make up and ask about; 250 bytes of disk each, and while parts are merged twice that",
    )
    parser.add_argument("--asks", type=int, default=20, help="how often each question is asked")
    arguments = parser.parse_args()
    results = asyncio.run(measure(arguments.events, arguments.calls, arguments.runs, arguments.asks))
    results["command"] = " ".join(["python", "-m", "benchmarks.ledger", *sys.argv[1:]])
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in results.items() if name != "writing"}, indent=2))


if __name__ == "__main__":
    main()
