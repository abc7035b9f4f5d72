from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tokentrail.errors import RuleError
from tokentrail.processors.made_up_calls import MadeUp, make_calls, parse_span
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, CallStarted
from tokentrail.schemas.rule_tests import CallSeries

START = datetime(2026, 3, 2, tzinfo=UTC)


def _make(*series: dict[str, Any]) -> list[MadeUp]:
    return list(make_calls([msgspec.convert(one, CallSeries) for one in series], START))


def _seconds(made: list[MadeUp]) -> list[float]:
    return [(record.event.occurred_at - START).total_seconds() for record in made]


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1d12h", 129_600), ("1.5m", 90), ("250ms", 0.25)])
def test_a_span_is_read_part_by_part(text: str, seconds: float) -> None:
    assert parse_span(text) == seconds


def test_calls_are_spread_evenly_from_the_beginning_to_before_the_end() -> None:
    assert _seconds(_make({"from": "1m", "to": "2m", "per_minute": 4})) == [60, 75, 90, 105]


def test_a_series_without_an_end_is_one_call() -> None:
    assert _seconds(_make({"from": "5m"})) == [300]


def test_calls_of_certain_hours_come_at_them_every_day() -> None:
    made = _make({"to": "2d", "per_minute": 1 / 60, "daily": ["9h", "11h"]})
    assert _seconds(made) == [9 * 3600, 10 * 3600, 33 * 3600, 34 * 3600]


def test_series_are_merged_by_time_and_keep_each_producers_chain_intact() -> None:
    made = _make(
        {"to": "1m", "per_minute": 6, "fields": {"producer_id": "a"}},
        {"from": "5s", "to": "1m", "per_minute": 4, "fields": {"producer_id": "b"}},
    )
    assert _seconds(made) == sorted(_seconds(made))
    previous = {"a": GENESIS_HASH, "b": GENESIS_HASH}
    numbers = {"a": 0, "b": 0}
    for record in made:
        producer = record.event.producer_id
        numbers[producer] += 1
        assert record.event.producer_seq == numbers[producer]
        assert record.event.prev_hash == previous[producer]
        previous[producer] = record.sha256_hex


def test_a_fate_leaves_its_trace_in_the_chain() -> None:
    calls = {"to": "1m", "per_minute": 2}
    holed = _make(calls, {"from": "45s", "fate": "missing"}, {"from": "50s"})
    assert [record.event.producer_seq for record in holed] == [1, 2, 4]
    *_, altered = _make(calls, {"from": "45s", "fate": "altered"})
    assert altered.event.prev_hash != _make(calls)[-1].sha256_hex
    *_, begun = _make(calls, {"from": "45s", "fate": "never_ended"})
    assert isinstance(begun.event, CallStarted)


def test_a_clock_that_is_off_shows_in_the_event_and_not_in_its_arrival() -> None:
    (record,) = _make({"from": "1d", "clock_off": "2h"})
    assert _seconds([record]) == [22 * 3600]
    assert record.arrived_ms == int(START.timestamp() + 86_400) * 1000 + 50


def test_fields_are_numbered_in_a_cycle_and_grow() -> None:
    fields = {"user_id": "user-{n}", "input_tokens": 10}
    made = _make({"to": "5m", "fields": fields, "cycle": 2, "grow": {"input_tokens": 5}})
    events = [record.event for record in made if isinstance(record.event, CallCompleted)]
    assert [event.user_id for event in events] == ["user-1", "user-2", "user-1", "user-2", "user-1"]
    assert [event.usage.input_tokens for event in events if event.usage] == [10, 15, 20, 25, 30]


@pytest.mark.parametrize("fields", [{"colour": "red"}, {"latency_ms": "slow"}])
def test_a_field_that_no_call_has_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RuleError, match=r"colour|latency_ms"):
        _make({"fields": fields})
