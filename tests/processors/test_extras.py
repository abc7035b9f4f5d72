"""Extras: what one call has to say, what several add up to, and what a metric reads from it."""

from datetime import UTC, datetime
from typing import get_args

import msgspec
import pytest

from tokentrail.processors.extras import EXTRAS, read_extra
from tokentrail.processors.metrics import extras_of, measure_of
from tokentrail.schemas.events import CallCompleted, Usage
from tokentrail.schemas.rules import LevelMetric, Metric, RatioMetric, SumMetric


def make_call(number: int = 0) -> CallCompleted:
    return CallCompleted(
        schema_version="1.0",
        event_id=f"e{number}",
        producer_id="p",
        producer_seq=1,
        prev_hash="0" * 64,
        occurred_at=datetime(2026, 5, 4, tzinfo=UTC),
        call_id=f"c{number}",
        status="SUCCESS",
        latency_ms=100.0 * (number + 1),
        time_to_first_token_ms=10.0 * (number + 1),
        user_id=f"user-{number}",
        ip_address=f"10.0.0.{number}",
        api_key_id=f"key-{number}",
        session_id=f"session-{number}",
        request_model=f"model-{number}",
        usage=Usage(input_tokens=1000 * number, output_tokens=1),
    )


def metrics() -> list[Metric]:
    return [metric for kind in (SumMetric, RatioMetric, LevelMetric) for metric in get_args(kind)]


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("latency_p50_ms", 500),
        ("latency_p99_ms", 900),
        ("time_to_first_token_p95_ms", 90),
        ("distinct_users", 10),
        ("distinct_ip_addresses", 10),
        ("distinct_api_keys", 10),
        ("distinct_sessions", 10),
        ("distinct_models", 10),
        ("context_growth_tokens", 9000),
    ],
)
def test_ten_different_calls_read_as_they_were(metric: Metric, value: float) -> None:
    (name,) = extras_of(metric)
    merged = EXTRAS[name].merge([EXTRAS[name].of_call(make_call(number)) for number in range(10)])
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(merged))
    assert read_extra(measure_of(metric), back) == pytest.approx(value, rel=0.02)


def test_every_extra_that_a_metric_may_ask_for_is_there() -> None:
    assert {name for metric in metrics() for name in extras_of(metric)} == set(EXTRAS)


def test_a_call_that_says_nothing_has_no_extra() -> None:
    silent = msgspec.structs.replace(
        make_call(),
        latency_ms=None,
        time_to_first_token_ms=None,
        user_id="",
        ip_address=None,
        api_key_id=None,
        session_id=None,
        request_model=None,
        usage=None,
    )
    assert {name: extra.of_call(silent) for name, extra in EXTRAS.items()} == dict.fromkeys(EXTRAS)


def test_where_no_call_had_any_a_metric_reads_zero() -> None:
    assert read_extra(measure_of("latency_p95_ms"), None) == 0


@pytest.mark.parametrize("name", sorted(set(EXTRAS) - {"links"}))
def test_one_call_alone_is_already_merged(name: str) -> None:
    extra = EXTRAS[name]
    assert extra.merge([extra.of_call(make_call(3))]) == extra.of_call(make_call(3))
