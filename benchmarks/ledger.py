"""The ledger alone: how fast its writer fills tables and rollups, how fast it answers, and what it takes on disk.

Writing: a topic is filled, then one writer runs it dry into event_log, calls and the three rollups, on a real broker
and engine. Answering: calls are made up inside the engine, spread over 30 days, through the same views as the writer's;
then every named query is asked as `tokentrail query run` asks it, over 30 days where it takes a `since`, and some
questions of one day are asked of the calls themselves. Run by `make bench-ledger`; writes
benchmarks/results/ledger.json.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil
from benchmarks.pipeline import PATIENCE_S, ProcessUsage, describe_machine, publish, wait_for_rows

from tokentrail.compose.embedded.stack import Stack, running_stack
from tokentrail.compose.embedded.stack_plan import ENGINE, KAFKA, StackPlan
from tokentrail.compose.environ import worker_environ
from tokentrail.compose.topics import create_topics
from tokentrail.errors import TokentrailError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.cost_query import CostQuery
from tokentrail.sinks.clickhouse.ledger_tables import ONE_PART
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.named_queries import catalogue, run_query
from tokentrail.sinks.clickhouse.storage import read_storage

RESULTS: Final = Path(__file__).parent / "results" / "ledger.json"
DAYS: Final = 30
BLOCK: Final = 200_000
AIM_MS: Final = 100
RAW_QUESTIONS: Final = (("department", "model"), ("user",), ("hour",), ("session_id",))
MADE_UP: Final = """
INSERT INTO `{database}`.calls (
    kafka_partition, kafka_offset, appended_at, occurred_at, clock_suspect, time, event_id, producer_id, producer_seq,
    call_id, trace_id, service, environment, department, feature, session_id, user_id, request_source, ip_address,
    api_key_id, provider, model, request_model, response_model, status, http_status_code, latency_ms,
    time_to_first_token_ms, input_tokens, output_tokens, cache_read_tokens, usage_source, attributes, input_cost,
    output_cost, cost_usd, currency, price_source, price_version, rate_id)
WITH
    cityHash64(number) AS dice,
    toDateTime64('{first}', 6, 'UTC') + toIntervalMicrosecond(toUInt64(number * {step_us} + dice % 1000000)) AS moment,
    toUInt32(floor(exp(4 * pow((dice % 10007) / 10007, 2)) * 37)) % 2000 AS user,
    toUInt32(200 + dice % 7919) AS asked, toUInt32(20 + dice % 1511) AS answered,
    toDecimal64(asked * ((dice % 6) + 1), 9) / 4000000 AS input_side,
    toDecimal64(answered * ((dice % 6) + 1), 9) / 1000000 AS output_side
SELECT number % 8, intDiv(number, 8), moment + INTERVAL 1 SECOND, moment, false, moment,
    lower(hex(MD5(toString(number)))), concat('producer-', toString(number % 64)), intDiv(number, 64) + 1,
    lower(hex(MD5(toString(number + 1)))), lower(hex(MD5(toString(intDiv(number, 3))))),
    concat('service-', toString(user % 12)), if(user % 10 = 0, 'staging', 'production'),
    concat('department-', toString(user % 9)), concat('feature-', toString(user % 20)),
    concat('session-', toString(intDiv(number, 20))), concat('user-', toString(user)),
    if(dice % 5 = 0, 'batch', 'api'), concat('10.0.', toString(user % 250), '.', toString(dice % 250)),
    concat('hmac1:', toString(user % 60)),
    ['openai', 'anthropic', 'google'][dice % 3 + 1] AS provider,
    concat('model-', toString(dice % 18)) AS name, name, name,
    if(dice % 53 = 0, 'RATE_LIMITED', 'SUCCESS'), if(dice % 53 = 0, 429, 200), exp(5 + (dice % 3001) / 1000),
    exp(4 + (dice % 1999) / 1000), asked, answered, if(dice % 4 = 0, intDiv(asked, 2), 0), 'provider',
    map('team', concat('team-', toString(user % 25))), input_side, output_side, input_side + output_side, 'USD',
    'made-up', '1', 1
FROM numbers({begin}, {count})
"""


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


def make_calls(settings: Settings, count: int) -> float:
    """Make up so many calls, through the views of the rollups; return calls a second."""
    client = connect(settings, timeout_s=PATIENCE_S)
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    step_us = DAYS * 86_400_000_000 // count
    begin_s = time.monotonic()
    for begin in range(0, count, BLOCK):
        sql = MADE_UP.format(
            database=settings.clickhouse_database, first=f"{first:%Y-%m-%d %H:%M:%S}", step_us=step_us, begin=begin,
            count=min(BLOCK, count - begin),
        )  # fmt: skip
        client.command(sql, settings=dict(ONE_PART))
    client.close()
    return count / (time.monotonic() - begin_s)


def measure_answers(settings: Settings, asks: int) -> dict[str, dict[str, Any]]:
    """Ask every named query of 30 days, and some questions of one day of the calls themselves."""
    found: dict[str, dict[str, Any]] = {}
    now = datetime.now(UTC)
    for name, query in catalogue().items():
        values = {"since": f"{DAYS}d"} if any(one.name == "since" for one in query.parameters) else {}
        try:
            times = _time(lambda query=query, values=values: run_query(settings, query, values, now), asks)  # type: ignore[misc]  # its own
        except TokentrailError as error:
            found[name] = {"reads": list(query.reads), "not_asked": str(error)[:200]}
            continue
        found[name] = {"reads": list(query.reads), **times}
    client = connect(settings)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    for by in RAW_QUESTIONS:
        sql, parameters = CostQuery(by=by, since=day, until=day + timedelta(days=1)).to_sql(
            settings.clickhouse_database
        )
        times = _time(lambda sql=sql, parameters=parameters: client.query(sql, parameters), asks)  # type: ignore[misc]  # its own
        found[f"raw calls of one day by {', '.join(by)}"] = {"reads": ["calls_corrected"], **times}
    client.close()
    return found


def _time(ask: Callable[[], object], asks: int) -> dict[str, float]:
    taken = []
    for _ in range(asks):
        begin_s = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - begin_s) * 1000)
    taken.sort()
    return {"p50_ms": round(statistics.median(taken), 1), "p95_ms": round(taken[int(0.95 * (len(taken) - 1))], 1)}


def storage(settings: Settings) -> dict[str, Any]:
    """Return bytes on disk by call, of each table and in all."""
    by_call = {one.table: round(one.bytes_per_call, 2) for one in read_storage(settings) if one.bytes_per_call}
    return {"bytes_per_call": by_call, "total_bytes_per_call": round(sum(by_call.values()), 2)}


async def measure(events: int, calls: int, runs: int, asks: int) -> dict[str, Any]:
    """Run everything on one broker and one engine, in a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="tokentrail-bench-") as directory:
        plan = StackPlan(data=Path(directory), settings=Settings(), parts=frozenset({KAFKA, ENGINE}))
        async with running_stack(plan) as services:
            writing = [await measure_writing(services, run, events) for run in range(runs)]
            print(json.dumps(writing))
            settings = msgspec.structs.replace(services.settings, clickhouse_database="made_up")
            await asyncio.to_thread(migrate, settings)
            rate = await asyncio.to_thread(make_calls, settings, calls)
            answers = await asyncio.to_thread(measure_answers, settings, asks)
            stored = await asyncio.to_thread(storage, settings)
    timed = [one for name, one in answers.items() if "p95_ms" in one and not name.startswith("raw")]
    return {
        "events_per_second": max(one["events_per_second"] for one in writing),
        "writing": writing,
        "calls": calls,
        "made_up_calls_per_second": round(rate),
        "named_queries": len(timed),
        "named_queries_over_100_ms": sum(one["p95_ms"] > AIM_MS for one in timed),
        "answers": answers,
        **stored,
        "machine": describe_machine(),
        "load_average_at_the_end": os.getloadavg(),
    }


def main() -> None:
    """Measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=600_000, help="events a writing run")
    parser.add_argument("--runs", type=int, default=3, help="writing runs; the best is reported, all are kept")
    parser.add_argument("--calls", type=int, default=20_000_000, help="calls to make up and ask about")
    parser.add_argument("--asks", type=int, default=20, help="how often each question is asked")
    arguments = parser.parse_args()
    results = asyncio.run(measure(arguments.events, arguments.calls, arguments.runs, arguments.asks))
    results["command"] = " ".join(["python", "-m", "benchmarks.ledger", *sys.argv[1:]])
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in results.items() if name != "writing"}, indent=2))


if __name__ == "__main__":
    main()
