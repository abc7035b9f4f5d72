"""What it costs to follow, to sign and to verify the ledger: CPU µs per event, in our processes and in the engine.

`python benchmarks/verify.py --events 400000` starts an engine of its own, fills it, and prints one JSON document.
The hash of 1.5 KB and the decoding of an event are measured beside it, to compare machines by.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import psutil

from tokentrail.compose.embedded.stack import running_stack
from tokentrail.compose.embedded.stack_plan import ENGINE, StackPlan
from tokentrail.processors.pricing import PriceBook
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.schemas.decoding import decode_event
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, CallStarted, Usage, UsageSource
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.ledger_block import Backlog, read_chunks
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.ledger_verifier import Witnesses, verify_ledger
from tokentrail.sinks.clickhouse.log_follower import LogFollower
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.integrity.checkpoint_file import CheckpointFile
from tokentrail.sinks.integrity.signing_keys import load_signing_key, make_signing_key

PARTITIONS = 8
MODELS = ("gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "o4-mini", "claude-sonnet-4-5", "gemini-2.5-flash")


class Record(msgspec.Struct):
    """A record as Kafka gives it."""

    offset: int
    timestamp: int
    value: bytes | None


class Producer:
    """Makes a started and a completed event for each call, chained."""

    def __init__(self, number: int) -> None:
        self._name = f"01a1fe4b-ab2e-72cc-8ac7-{number:012d}"
        self._seq, self._previous = 0, GENESIS_HASH

    def events(self, number: int, at: datetime) -> Iterator[bytes]:
        """Return both events of a call."""
        yield self._encode(CallStarted, number, at)
        yield self._encode(
            CallCompleted,
            number,
            at + timedelta(milliseconds=800),
            status="SUCCESS",
            http_status_code=200,
            finish_reasons=["stop"],
            provider_request_id=f"req_{number:032x}",
            auth_method="bearer",
            auth_result="accepted",
            http_method="POST",
            response_model=MODELS[number % 6],
            usage=Usage(input_tokens=900 + number % 700, output_tokens=120 + number % 90, cache_read_tokens=128),
            usage_source=UsageSource.PROVIDER,
            provider_usage={"prompt_tokens": 900, "completion_tokens": 120, "total_tokens": 1020},
            latency_ms=800.25,
            time_to_first_token_ms=210.5,
            request_hash=f"hmac1:{number:064x}",
            response_hash=f"hmac1:{number + 1:064x}",
            attributes={"team": f"team-{number % 9}", "release": "2026.11.3"},
        )

    def _encode(self, kind: Callable[..., Any], number: int, at: datetime, **more: Any) -> bytes:
        self._seq += 1
        payload = msgspec.json.encode(
            kind(
                schema_version="1.0",
                event_id=f"01a1fe4c-{number:08x}-7{self._seq:011x}",
                producer_id=self._name,
                producer_seq=self._seq,
                prev_hash=self._previous,
                occurred_at=at,
                service="checkout",
                environment="production",
                call_id=f"call-{number:032x}",
                logical_call_id=f"logical-{number:032x}",
                trace_id=f"{number:032x}",
                span_id=f"{number:016x}",
                session_id=f"session-{number % 5000}",
                user_id=f"user-{number % 900}",
                department=("payments", "support", "search")[number % 3],
                feature=f"feature-{number % 20}",
                ip_address="10.20.30.40",
                user_agent="OpenAI/Python 3.54.0",
                api_key_id=f"hmac1:5f2e:{number % 90:064x}",
                api_key_hint="sk-proj-…a1b2",
                provider="openai",
                server_address="api.openai.com",
                endpoint="/v1/chat/completions",
                operation="chat",
                request_model=MODELS[number % 6],
                stream=True,
                **more,
            )
        )
        self._previous = sha256(payload).hexdigest()
        return payload


class Cpu:
    """CPU of this process and its children, and of the engine."""

    def __init__(self, engine_pid: int) -> None:
        self._engine = psutil.Process(engine_pid)

    @contextmanager
    def measure(self, out: dict[str, Any], events: int) -> Iterator[None]:
        """Write into `out` what happens inside took."""
        own, engine, wall_s = sum(os.times()[:4]), sum(self._engine.cpu_times()[:2]), time.monotonic()
        yield
        out["own_cpu_us"] = round((sum(os.times()[:4]) - own) / events * 1e6, 2)
        out["engine_cpu_us"] = round((sum(self._engine.cpu_times()[:2]) - engine) / events * 1e6, 2)
        out["events_s"] = round(events / (time.monotonic() - wall_s))


def fill(settings: Settings, events: int) -> int:
    """Write events into the tables; return the payloads' mean size."""
    producers = [Producer(number) for number in range(PARTITIONS)]
    tables, prices = LedgerTables(settings, "benchmark"), PriceBook(PublicPrices())
    offsets, start, size, number = [0] * PARTITIONS, datetime.now(UTC) - timedelta(hours=2), 0, 0
    while number * 2 < events:
        backlog = Backlog()
        for partition in range(PARTITIONS):
            records = []
            for _ in range(1000):
                at = start + timedelta(milliseconds=number)
                for payload in producers[partition].events(number, at):
                    records.append(Record(offsets[partition], int(at.timestamp() * 1000) + 900, payload))
                    offsets[partition] += 1
                    size += len(payload)
                number += 1
            for chunk in read_chunks(partition, records, prices):
                backlog.add(chunk, 0)
        while backlog.rows:
            tables.insert(backlog.take_block())
    tables.close()
    return round(size / sum(offsets))


def follow(settings: Settings, cpu: Cpu, events: int, key_path: Path | None) -> dict[str, Any]:
    """Follow the whole log, once without and once with signing."""
    key = make_signing_key(key_path) if key_path else None
    follower = LogFollower(settings, key)
    follower.recover()
    told: dict[str, Any] = {}
    with cpu.measure(told, events):
        while follower.step():
            pass
        if key:
            follower.checkpoint()
    follower.close()
    return told


def verify(settings: Settings, key_path: Path, processes: int) -> dict[str, Any]:
    """Verify everything, as the command does: in a process of its own, which is there already."""
    witnesses = Witnesses(keys=[load_signing_key(key_path).public], file=CheckpointFile(settings.checkpoints))
    begin_s, own_s = time.monotonic(), sum(os.times()[:4])
    verdict = verify_ledger(settings, witnesses, processes=processes)
    return {
        "sound": verdict.sound,
        "records": verdict.records,
        "unsigned": verdict.unsigned,
        "own_cpu_s": round(sum(os.times()[:4]) - own_s, 2),
        "wall_s": round(time.monotonic() - begin_s, 2),
    }


def per_call_us(function: Callable[[bytes], Any], payload: bytes, times: int = 100_000) -> float:
    """Return what a call costs."""
    begin_s = time.process_time()
    for _ in range(times):
        function(payload)
    return round((time.process_time() - begin_s) / times * 1e6, 2)


async def measure(events: int, processes: int) -> dict[str, Any]:
    """Measure on an engine of its own."""
    with tempfile.TemporaryDirectory(prefix="tokentrail-benchmark-") as directory:
        settings = Settings(partitions=PARTITIONS, data=Path(directory), clickhouse_database="benchmark")
        plan = StackPlan(data=Path(directory) / "engine", settings=settings, parts=frozenset({ENGINE}))
        async with running_stack(plan) as stack:
            own = msgspec.structs.replace(settings, clickhouse=stack.settings.clickhouse)
            return await asyncio.to_thread(_measure, own, stack.pids()[ENGINE], events, processes)


def _measure(settings: Settings, engine_pid: int, events: int, processes: int) -> dict[str, Any]:
    migrate(settings)
    wanted = -(-events // (2000 * PARTITIONS)) * 2000 * PARTITIONS
    result: dict[str, Any] = {"events": wanted, "mean_bytes": fill(settings, wanted)}
    cpu = Cpu(engine_pid)
    result["findings"] = follow(settings, cpu, wanted, None)
    path = settings.data / "key.pem"
    result["findings_and_checkpoint"] = follow(settings, cpu, wanted, path)
    for name, count in (("verify_1_process", 1), (f"verify_{processes}_processes", processes)):
        told: dict[str, Any] = {}
        with cpu.measure(told, wanted), ProcessPoolExecutor(1, get_context("spawn")) as process:
            verified = process.submit(verify, settings, path, count).result()
        told |= {"own_cpu_us": round(verified["own_cpu_s"] / wanted * 1e6, 2)}
        told |= {"events_s": round(wanted / verified["wall_s"]), "load_average": os.getloadavg()[0]}
        result[name] = told | verified
    payload = list(Producer(1).events(1, datetime.now(UTC)))[1]
    result["sha256_us"] = per_call_us(lambda value: sha256(value).digest(), payload)
    result["decode_us"] = per_call_us(decode_event, payload)
    result["load_average"] = os.getloadavg()[0]
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.events, arguments.processes)), indent=2))


if __name__ == "__main__":
    main()
