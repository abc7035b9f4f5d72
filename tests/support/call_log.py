"""Made-up calls for tests: a steady hour of several users, keys and models, with three incidents in it."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from tokentrail.schemas.events import GENESIS_HASH, SCHEMA_VERSION, CallCompleted, Usage, UsageSource

START = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
MODELS = ("gpt-4o-mini", "gpt-4.1", "claude-sonnet-4-5")

encode_event = msgspec.json.Encoder().encode


class Call(msgspec.Struct, frozen=True):
    producer: int
    payload: bytes
    occurred_at: datetime


def make_call(number: int, occurred_at: datetime, producer: int = 0, **fields: Any) -> Call:
    values: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "event_id": f"event-{number}",
        "producer_id": f"producer-{producer}",
        "producer_seq": number + 1,
        "prev_hash": GENESIS_HASH,
        "occurred_at": occurred_at,
        "call_id": f"call-{number}",
        "provider": "openai",
        "request_model": MODELS[0],
        "status": "SUCCESS",
        "usage": Usage(input_tokens=500, output_tokens=100),
        "usage_source": UsageSource.PROVIDER,
        "latency_ms": 800.0,
    }
    values.update(fields)
    return Call(producer, encode_event(CallCompleted(**values)), occurred_at)


def generate_calls(
    seed: int = 1, seconds: int = 3600, per_second: float = 3.0, producers: int = 8, start: datetime = START
) -> list[Call]:
    """Calls by event time, with a burst of user-1 (at 70%), errors of gpt-4.1 (80%), a token spike of key-2 (90%)."""
    random_source = random.Random(seed)
    moments = sorted(_moments(random_source, seconds, per_second), key=lambda moment: moment[0])
    calls: list[Call] = []
    chains = [(0, GENESIS_HASH)] * producers
    for number, (at_s, incident) in enumerate(moments):
        user = {"burst": "1", "tokens": "new"}.get(incident) or random_source.randrange(5)
        model = "gpt-4.1" if incident == "errors" else random_source.choice(MODELS)
        key = 2 if incident == "tokens" else random_source.randrange(4)
        failed = incident == "errors" or random_source.random() < 0.01
        tokens = 60_000 if incident == "tokens" else random_source.randrange(100, 1500)
        producer = random_source.randrange(producers)
        seq, prev_hash = chains[producer]
        calls.append(
            make_call(
                number,
                start + timedelta(seconds=round(at_s, 6)),
                producer,
                producer_seq=seq + 1,
                prev_hash=prev_hash,
                user_id=f"user-{user}",
                api_key_id=f"key-{key}",
                request_model=model,
                status="SERVER_ERROR" if failed else "SUCCESS",
                usage=None if failed else Usage(input_tokens=tokens, output_tokens=100),
            )
        )
        chains[producer] = (seq + 1, sha256(calls[-1].payload).hexdigest())
    return calls


def _moments(random_source: random.Random, seconds: int, per_second: float) -> Iterator[tuple[float, str]]:
    for _ in range(int(seconds * per_second)):
        yield random_source.random() * seconds, ""
    for name, begin, count in (("burst", 0.7, 1.0), ("errors", 0.8, 0.5), ("tokens", 0.9, 0.02)):
        for _ in range(int(count * per_second * 300)):
            yield begin * seconds + random_source.random() * min(120.0, 0.08 * seconds), name
