"""A ledger in memory: the tables that verification reads, for attacks by the thousand."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tokentrail.processors.pricing import PriceBook, Rates
from tokentrail.schemas.decoding import decode_event
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, CallStarted, Usage, UsageSource, Watermark
from tokentrail.sinks.clickhouse.ledger_block import SCHEMA, read_chunks
from tokentrail.sinks.clickhouse.rate_rows import RATE_COLUMNS, rate_row
from tokentrail.sinks.integrity.checkpoint import SignedCheckpoint
from tokentrail.sinks.integrity.checkpoint_chain import FILE, TABLE, check_chain
from tokentrail.sinks.integrity.checkpoint_maker import CheckpointMaker
from tokentrail.sinks.integrity.expected_calls import COLUMNS, ExpectedCalls
from tokentrail.sinks.integrity.log_rows import COLUMNS as LOG_COLUMNS
from tokentrail.sinks.integrity.log_rows import read_rows
from tokentrail.sinks.integrity.signing_keys import SigningKey
from tokentrail.sinks.integrity.verification import (
    Batch,
    KafkaEnds,
    PartitionWalk,
    RateBook,
    Stretch,
    Verdict,
    check_ends,
    check_rates,
    conclude,
    plan_walk,
)

TOPIC = "llm.calls"
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MODELS = ("gpt-4o", "claude-sonnet-4-5", "nobody-knows")
KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(b"k" * 32))
OTHER_KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(b"o" * 32))
Row = dict[str, Any]


class FixedPrices:
    """Prices for two of the three models."""

    def tariffs(self, provider: str, model: str, service_tier: str, day: Any) -> Any:  # noqa: ARG002 - as price sources have it
        from tokentrail.processors.pricing import Tariff

        if model == MODELS[2]:
            return None
        rate = Decimal("2.5") if model == MODELS[0] else Decimal(3)
        rates = Rates(
            price_source="fixed",
            price_version="1",
            provider=provider,
            model=model,
            input=rate,
            output=4 * rate,
            cache_read=rate / 10,
        )
        return (Tariff(rates),)


class _Kafka(msgspec.Struct):
    offset: int
    timestamp: int
    value: bytes | None


class MemoryLedger:
    """Tables as lists of rows. Attacks change them in place."""

    def __init__(self, log: list[Row], calls: list[Row], rates: list[Row], checkpoints: list[SignedCheckpoint]) -> None:
        self.log = log
        self.calls = calls
        self.rates = rates
        self.checkpoints = checkpoints

    def copy(self) -> "MemoryLedger":
        return MemoryLedger(
            [dict(row) for row in self.log],
            [dict(row) for row in self.calls],
            [dict(row) for row in self.rates],
            list(self.checkpoints),
        )

    def partitions(self) -> set[int]:
        return {row["kafka_partition"] for row in (*self.log, *self.calls)}

    def last_offsets(self) -> dict[int, int]:
        last: dict[int, int] = {}
        for row in self.log:
            last[row["kafka_partition"]] = max(last.get(row["kafka_partition"], -1), row["kafka_offset"])
        return last

    def batches(self, partition: int, first_offset: int, size: int = 25) -> Iterator[Batch]:
        log, calls = (
            sorted(
                (row for row in rows if row["kafka_partition"] == partition and row["kafka_offset"] >= first_offset),
                key=lambda row: row["kafka_offset"],
            )
            for rows in (self.log, self.calls)
        )
        begin, at = first_offset, 0
        while True:
            rows = log[at : at + size]
            while at + len(rows) < len(log) and log[at + len(rows)]["kafka_offset"] == rows[-1]["kafka_offset"]:
                rows.append(log[at + len(rows)])
            at += len(rows)
            end = rows[-1]["kafka_offset"] + 1 if at < len(log) else 1 << 62
            part = [row for row in calls if begin <= row["kafka_offset"] < end]
            yield Batch(log_table(rows), calls_table(part))
            begin = end
            if at >= len(log):
                return

    def derive_calls(self) -> None:
        """Make `calls` of the log as it is, as the engine's view would."""
        self.calls = []
        book = check_rates(self.rates)
        for partition in sorted({row["kafka_partition"] for row in self.log}):
            table = log_table([row for row in self.log if row["kafka_partition"] == partition])
            rows = read_rows(partition, table)
            events = [decode_event(payload) for payload in rows.payloads]
            places = [at for at, event in enumerate(events) if isinstance(event, CallCompleted)]
            if not places:
                continue
            columns = dict(ExpectedCalls(rows, [events[at] for at in places], places, book.ready).columns())  # type: ignore[misc] # chosen above
            made = pa.table({"kafka_offset": [rows.offsets[at] for at in places], **columns}).to_pylist()
            self.calls += [{"kafka_partition": partition, **row} for row in made]

    def sign(self, key: SigningKey, upto: Sequence[int], made_at: datetime) -> None:
        """Sign what is there, `upto` by partition, behind what is signed already."""
        last = self.checkpoints[-1] if self.checkpoints else None
        maker = CheckpointMaker(TOPIC, last, check_rates(self.rates).contents)
        for partition, end in enumerate(upto):
            rows = [
                row
                for row in self.log
                if row["kafka_partition"] == partition and maker.next_offset(partition) <= row["kafka_offset"] < end
            ]
            maker.add(read_rows(partition, log_table(sorted(rows, key=lambda row: int(row["kafka_offset"])))))
        self.checkpoints.append(maker.make(key, made_at, range(len(upto))))


def log_table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, _LOG_SCHEMA)


def calls_table(rows: list[Row]) -> pa.Table:
    if rows:
        return pa.Table.from_pylist([{name: row[name] for name in COLUMNS} for row in rows], _CALLS_SCHEMA)
    return _CALLS_SCHEMA.empty_table()


def verify_memory(
    ledger: MemoryLedger,
    file: Sequence[SignedCheckpoint] | None = None,
    keys: Sequence[SigningKey] = (KEY,),
    since: datetime | None = None,
    kafka: KafkaEnds | None = None,
) -> Verdict:
    copies = {TABLE: ledger.checkpoints, **({FILE: file} if file is not None else {})}
    chain = check_chain(copies, [key.public for key in keys], TOPIC)
    rates: RateBook = check_rates(ledger.rates)
    stretches: list[Stretch] = plan_walk(chain.checkpoints, ledger.partitions(), since)
    reports = []
    for stretch in stretches:
        walk = PartitionWalk(stretch, rates)
        for batch in ledger.batches(stretch.partition, stretch.first_offset):
            walk.add(batch)
        reports.append(walk.finish())
    return conclude(
        reports,
        chain.checkpoints,
        [*chain.found, *rates.found, *check_ends(kafka or KafkaEnds(), ledger.last_offsets())],
    )


def make_ledger(seed: int = 1, events: int = 60, partitions: int = 2, checkpoints: int = 4) -> MemoryLedger:
    """Make a ledger of several producers, with calls of all kinds, signed to its end."""
    chance = random.Random(seed)
    records = _records(chance, events, partitions)
    log: list[Row] = []
    rates: dict[int, Rates] = {}
    prices = PriceBook(FixedPrices())
    for partition, kafka in enumerate(records):
        for chunk in read_chunks(partition, kafka, prices) if kafka else ():
            log += _stored(chunk.rows)
            rates.update(chunk.rates)
    ledger = MemoryLedger(log, [], [dict(zip(RATE_COLUMNS, rate_row(one), strict=True)) for one in rates.values()], [])
    ledger.derive_calls()
    for number in range(1, checkpoints + 1):
        upto = [len(kafka) * number // checkpoints for kafka in records]
        ledger.sign(KEY, upto, START + timedelta(minutes=number))
    return ledger


def _stored(rows: pa.RecordBatch) -> list[Row]:
    return [
        {name: row[name] for name in _LOG_SCHEMA.names if name != "seal"} | {"seal": ""} for row in rows.to_pylist()
    ]


def _records(chance: random.Random, events: int, partitions: int) -> list[list[_Kafka]]:
    records: list[list[_Kafka]] = [[] for _ in range(partitions)]
    chains: dict[str, tuple[int, str]] = {}
    for number in range(events):
        producer = f"producer-{chance.randrange(2 * partitions)}"
        partition = int(producer[-1]) % partitions
        seq, prev_hash = chains.get(producer, (0, GENESIS_HASH))
        moment = START + timedelta(seconds=number, microseconds=chance.randrange(10**6))
        payload = _payload(chance, number, moment, (producer, seq + 1, prev_hash))
        if payload.startswith(b"{") and b"producer_seq" in payload:
            chains[producer] = (seq + 1, sha256(payload).hexdigest())
        timestamp = int(moment.timestamp() * 1000) + 20
        records[partition].append(_Kafka(len(records[partition]), timestamp, payload))
    return records


def _payload(chance: random.Random, number: int, moment: datetime, link: tuple[str, int, str]) -> bytes:
    kind = chance.random()
    if kind < 0.03:
        return b"not json"
    if kind < 0.06:
        return msgspec.json.encode(Watermark(schema_version="1.0", watermark=moment))
    producer, seq, prev_hash = link
    envelope: dict[str, Any] = {
        "schema_version": "1.0",
        "event_id": f"event-{number}",
        "producer_id": producer,
        "producer_seq": seq,
        "prev_hash": prev_hash,
        "occurred_at": moment - timedelta(days=400 if kind > 0.97 else 0),
        "call_id": f"call-{number // 2}",
        "user_id": f"user-{chance.randrange(3)}",
        "provider": "openai",
        "request_model": chance.choice(MODELS),
    }
    if kind < 0.3:
        return msgspec.json.encode(CallStarted(**envelope))
    return msgspec.json.encode(
        CallCompleted(
            **envelope,
            status=chance.choice(("SUCCESS", "SUCCESS", "TIMEOUT")),
            usage=Usage(input_tokens=chance.randrange(5000), output_tokens=chance.randrange(500), cache_read_tokens=7)
            if chance.random() < 0.9
            else None,
            usage_source=UsageSource.PROVIDER,
            latency_ms=round(chance.uniform(10, 2000), 3),
            finish_reasons=["stop"] if chance.random() < 0.5 else None,
            attributes={"team": "search", "tier": "gold"} if chance.random() < 0.5 else None,
            redactions={"email": 2} if chance.random() < 0.3 else None,
        )
    )


def _calls_schema() -> pa.Schema:
    ledger = MemoryLedger([], [], [], [])
    payload = _payload(random.Random(2), 0, START, ("producer-0", 1, GENESIS_HASH))
    rows = [_stored(chunk.rows) for chunk in read_chunks(0, [_Kafka(0, 0, payload)], PriceBook(FixedPrices()))]
    ledger.log = rows[0]
    table = log_table(ledger.log)
    made = read_rows(0, table)
    event = decode_event(payload)
    assert isinstance(event, CallCompleted)
    columns = dict(ExpectedCalls(made, [event], [0], {}).columns())
    fields = {"kafka_offset": pa.uint64(), **{name: column.type for name, column in columns.items()}}
    return pa.schema([(name, fields[name]) for name in COLUMNS])


_LOG_SCHEMA = pa.schema(
    [*(field for field in SCHEMA if field.name in (*LOG_COLUMNS, "kafka_partition")), ("seal", pa.string())]
)
_CALLS_SCHEMA = _calls_schema()
