"""Feeds llm.calls and reads both ledger tables back, for tests on a real broker and engine."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple
from unittest.mock import patch

import msgspec
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from tokentrail.cli.output import out
from tokentrail.cli.pipeline import app
from tokentrail.errors import EngineError, TokentrailError
from tokentrail.processors.pricing import PriceBook
from tokentrail.processors.pricing_public import PublicPrices
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, CallStarted, ProducerStats, Usage
from tokentrail.schemas.topics import CALLS
from tokentrail.settings import Settings, current_settings
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.ledger_block import Backlog, Block, read_chunks

encode = msgspec.json.Encoder().encode


def completed(number: int, **fields: Any) -> bytes:
    values: dict[str, Any] = {
        "schema_version": "1.0",
        "event_id": f"event-{number}",
        "producer_id": f"producer-{number % 5}",
        "producer_seq": number + 1,
        "prev_hash": GENESIS_HASH,
        "occurred_at": datetime.now(UTC),
        "call_id": f"call-{number}",
        "department": "research",
        "provider": "openai",
        "request_model": "gpt-4o",
        "status": "SUCCESS",
        "usage": Usage(input_tokens=1000, output_tokens=100),
    }
    return encode(CallCompleted(**{**values, **fields}))


def stats_event(at: datetime) -> bytes:
    return encode(
        ProducerStats(
            schema_version="1.0",
            event_id="event-stats",
            producer_id="producer-0",
            producer_seq=1,
            prev_hash=GENESIS_HASH,
            occurred_at=at,
            recorded=7,
            dropped={"disk_full": 1},
        )
    )


def started(number: int) -> bytes:
    return encode(
        CallStarted(
            schema_version="1.0",
            event_id=f"event-{number}",
            producer_id="producer-0",
            producer_seq=number + 1,
            prev_hash=GENESIS_HASH,
            occurred_at=datetime.now(UTC),
            call_id=f"call-{number}",
        )
    )


async def publish(settings: Settings, payloads: Iterable[bytes | None], pause_every: int = 0) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka, acks="all", enable_idempotence=True, linger_ms=5
    ) as producer:
        sent = []
        for number, payload in enumerate(payloads):
            sent.append(
                await producer.send(settings.topic(CALLS.name), payload, partition=number % settings.partitions)
            )
            if pause_every and number % pause_every == 0:
                await asyncio.sleep(0.01)
        await asyncio.gather(*sent)


class Record(NamedTuple):
    offset: int
    timestamp: int
    value: bytes | None


def block_of(first: int, payloads: list[bytes | None], partition: int = 0, prices: PriceBook | None = None) -> Block:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    records = [Record(first + at, now_ms, payload) for at, payload in enumerate(payloads)]
    backlog = Backlog()
    for chunk in read_chunks(partition, records, prices or PriceBook(PublicPrices())):
        backlog.add(chunk, 0)
    return backlog.take_block()


class Worker:
    """One ledger writer process."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tokentrail.sinks.clickhouse.ledger_worker"], env={**os.environ, **self._environ}
        )

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        assert self._process
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def wait(self, timeout_s: float) -> int:
        assert self._process
        return self._process.wait(timeout_s)


@contextmanager
def running_worker(environ: dict[str, str]) -> Iterator[Worker]:
    worker = Worker(environ)
    worker.start()
    try:
        yield worker
    finally:
        worker.kill()


def offsets(settings: Settings, table: str) -> Counter[tuple[int, int]]:
    return Counter(rows(settings, f"SELECT kafka_partition, kafka_offset FROM {table}"))  # noqa: S608  # the table is one of two


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    client = connect(settings)
    try:
        client.database = settings.clickhouse_database
        return [tuple(row) for row in client.query(sql).result_rows]
    finally:
        client.close()


def wait_for_rows(settings: Settings, archived: int, calls: int, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    held: tuple[int, ...] = ()
    while time.monotonic() < deadline:
        # The engine may be starting again after a kill.
        with suppress(EngineError):
            held = rows(settings, "SELECT (SELECT count() FROM event_log), (SELECT count() FROM calls)")[0]
            if held[0] >= archived and held[1] >= calls:
                return
        time.sleep(0.1)
    raise AssertionError(f"event_log and calls hold {held}, not {archived} and {calls}")


class Answer(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run_command(environ: dict[str, str], *arguments: str) -> Answer:
    """Run `tokentrail` with these arguments in this process, wide enough that no table breaks its lines."""
    current_settings.cache_clear()
    try:
        # The console keeps the width that it found when it was made, which may be that of a terminal.
        with patch.object(out, "_width", 300):
            result = CliRunner().invoke(app, list(arguments), env={**environ, "COLUMNS": "300"})
    finally:
        current_settings.cache_clear()
    if isinstance(result.exception, TokentrailError):
        return Answer(1, result.stdout, str(result.exception))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)
