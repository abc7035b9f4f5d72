"""Sequence, chain and what the recorder does with what no reader would accept."""

import os
import threading
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.mending import MAX_EVENT_BYTES
from tokentrail.producers.recorder import DROPPED_ATTRIBUTE, Recorder
from tokentrail.producers.records import Record
from tokentrail.producers.stats import ShimStats
from tokentrail.schemas.decoding import decode_event
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, CallStarted, ProducerStats, Usage

ENVELOPE = {
    "schema_version", "event_id", "producer_id", "producer_seq", "prev_hash", "occurred_at", "service", "environment",
}  # fmt: skip


def read(record: Record) -> CallStarted | CallCompleted:
    event = decode_event(record.value)
    assert isinstance(event, (CallStarted, CallCompleted)), event
    return event


def assert_chained(records: list[Record]) -> None:
    previous = GENESIS_HASH
    for number, record in enumerate(records, start=1):
        event = read(record)
        assert (event.producer_seq, event.prev_hash) == (number, previous)
        previous = sha256(record.value).hexdigest()


anything = st.one_of(
    st.none(), st.text(max_size=30), st.integers(), st.floats(), st.booleans(), st.binary(max_size=9),
    st.lists(st.text(max_size=5), max_size=3), st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
    st.just("\ud800"), st.just("x" * 30_000), st.just(datetime(2020, 1, 1)), st.just(object()),  # noqa: DTZ001 - naive
)  # fmt: skip
calls = st.fixed_dictionaries({}, optional=dict.fromkeys(Call.__struct_fields__, anything))
outcomes = st.fixed_dictionaries(
    {"status": anything},
    optional=dict.fromkeys([name for name in Outcome.__struct_fields__ if name != "status"], anything),
)


def test_descriptions_and_events_have_the_same_fields() -> None:
    assert set(Call.__struct_fields__) == set(CallStarted.__struct_fields__) - ENVELOPE
    assert {*Call.__struct_fields__, *Outcome.__struct_fields__} == set(CallCompleted.__struct_fields__) - ENVELOPE


def test_statistics_are_a_link_of_the_chain_within_their_schema_whatever_they_say() -> None:
    records: list[Record] = []
    recorder = Recorder(records.append, service="checkout")
    recorder.started(Call())
    recorder.stats_event(ShimStats(recorded=1, dropped={"disk_full": 3}, spool_bytes=77, last_error="away"))
    recorder.stats_event(ShimStats(last_error="\ud800" * 900, faults={"x" * 900: -1}))
    recorder.started(Call())

    said, cut = (decode_event(record.value) for record in records[1:3])
    assert isinstance(said, ProducerStats)
    assert (said.producer_seq, said.service, said.recorded) == (2, "checkout", 1)
    assert (said.dropped, said.spool_bytes, said.last_error) == ({"disk_full": 3}, 77, "away")
    assert isinstance(cut, ProducerStats)
    assert cut.prev_hash == sha256(records[1].value).hexdigest()
    last = read(records[3])
    assert (last.producer_seq, last.prev_hash) == (4, sha256(records[2].value).hexdigest())


def test_statistics_and_their_event_have_the_same_fields() -> None:
    assert set(ShimStats.__struct_fields__) == set(ProducerStats.__struct_fields__) - ENVELOPE


@given(st.lists(st.tuples(calls, st.none() | outcomes), max_size=6))
def test_whatever_is_described_every_event_is_readable_and_chained(described: list[tuple[Any, Any]]) -> None:
    records: list[Record] = []
    recorder = Recorder(records.append, service="s\ud800", environment="e" * 600)

    for call, outcome in described:
        if outcome is None:
            recorder.started(Call(**call))
        else:
            recorder.completed(Call(**call), Outcome(**outcome))

    assert len(records) == len(described)
    assert_chained(records)


def test_fields_arrive_as_they_were_given() -> None:
    records: list[Record] = []
    recorder = Recorder(records.append, service="checkout", environment="prod", producer_id="p-1")
    at = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=2)))
    call = Call(user_id="ü-1", request_model="gpt-x", stream=False)
    outcome = Outcome(status="SUCCESS", usage=Usage(input_tokens=0), latency_ms=1.5, provider_usage={"a": {"b": [1]}})

    recorder.started(call, occurred_at=at)
    recorder.completed(call, outcome)

    started, completed = read(records[0]), read(records[1])
    assert (started.occurred_at, started.service, started.environment) == (at, "checkout", "prod")
    assert (started.user_id, started.request_model, started.stream) == ("ü-1", "gpt-x", False)
    assert isinstance(completed, CallCompleted)
    assert (completed.usage, completed.latency_ms) == (Usage(input_tokens=0), 1.5)
    assert completed.provider_usage == {"a": {"b": [1]}}
    assert recorder.stats().mended == 0
    assert b'"occurred_at":"2026-01-02T01:04:05.000678Z"' in records[0].value


def test_headers_are_cloudevents_and_the_key_is_the_producer() -> None:
    records: list[Record] = []
    recorder = Recorder(
        records.append, service="checkout", producer_id="p-1", clock=lambda: datetime(2026, 1, 2, tzinfo=UTC)
    )

    recorder.started(Call())

    (record,) = records
    assert record.key == b"p-1"
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": read(record).event_id.encode(),
        "ce_source": b"/tokentrail/checkout/p-1",
        "ce_type": b"llm.call.started",
        "ce_time": b"2026-01-02T00:00:00.000000Z",
        "content-type": b"application/json",
    }


def test_many_threads_make_one_unbroken_chain() -> None:
    records: list[Record] = []
    recorder = Recorder(records.append)
    ready = threading.Barrier(16)

    def work() -> None:
        ready.wait()
        for _ in range(200):
            recorder.completed(Call(), Outcome(status="SUCCESS"))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(records) == 3200
    assert_chained(records)
    assert len({read(record).event_id for record in records}) == 3200


def test_a_call_recorded_in_the_middle_of_another_goes_behind_it() -> None:
    records: list[Record] = []

    def outlet(record: Record) -> None:
        if len(records) == 1:
            recorder.started(Call(call_id="inner"))  # as a finalizer would
        records.append(record)

    recorder = Recorder(outlet)
    for name in ("first", "second", "third"):
        recorder.started(Call(call_id=name))

    assert [read(record).call_id for record in records] == ["first", "second", "inner", "third"]
    assert_chained(records)


def test_large_event_loses_text_and_keeps_its_facts() -> None:
    records: list[Record] = []
    recorder = Recorder(records.append)
    attributes = {f"a{n}": "\x01" * 20_000 for n in range(40)}
    usage = Usage(input_tokens=7)

    recorder.completed(
        Call(), Outcome(status="SUCCESS", usage=usage, attributes=attributes, prompt_preview="\x01" * 20_000)
    )

    event = read(records[0])
    assert len(records[0].value) <= MAX_EVENT_BYTES
    assert isinstance(event, CallCompleted)
    assert event.usage == usage
    assert event.attributes == {"tokentrail.truncated": "previews, attributes"}
    assert recorder.stats().truncated == 1


def test_what_the_outlet_drops_is_a_gap_and_is_told_in_the_next_event() -> None:
    records: list[Record] = []
    full = False

    def outlet(record: Record) -> bool:
        if not full:
            records.append(record)
        return not full

    recorder = Recorder(outlet)
    recorder.completed(Call(), Outcome(status="SUCCESS"))
    full = True
    recorder.started(Call())
    recorder.completed(Call(), Outcome(status="SUCCESS"))
    full = False
    recorder.completed(Call(), Outcome(status="SUCCESS"))
    recorder.completed(Call(), Outcome(status="SUCCESS"))

    events = [read(record) for record in records]
    assert [event.producer_seq for event in events] == [1, 4, 5]
    assert [getattr(event, "attributes", None) for event in events] == [None, {DROPPED_ATTRIBUTE: "2"}, None]
    assert recorder.stats().dropped == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_is_another_producer() -> None:
    records: list[Record] = []
    recorder = Recorder(records.append)
    recorder.started(Call())
    reading, writing = os.pipe()
    with recorder._lock:  # held by a thread that the child does not have
        child = os.fork()
        if child == 0:
            recorder.started(Call())
            os.write(writing, records[-1].value)
            os._exit(0)
    os.waitpid(child, 0)
    other = msgspec.json.decode(os.read(reading, 10_000))
    recorder.started(Call())

    assert other["producer_id"] != recorder.producer_id
    assert (other["producer_seq"], other["prev_hash"]) == (1, GENESIS_HASH)
    assert other["event_id"] not in {read(record).event_id for record in records}
    assert_chained(records)


def test_a_secret_is_cut_out_wherever_and_whenever_it_comes_in() -> None:
    records: list[Any] = []
    recorder = Recorder(records.append)
    secret = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCD"
    harmless, late = Call(feature="search"), Call(feature="search")

    recorder.started(harmless)
    recorder.completed(harmless, Outcome(status="SUCCESS", error_message=f"with {secret}"))
    recorder.started(late)
    late.user_agent = f"agent {secret}"
    recorder.completed(late, Outcome(status="SUCCESS"))
    recorder.started(Call(user_id=secret))
    recorder.completed(Call(user_id=secret), Outcome(status="SUCCESS"))

    assert len(records) == 6
    assert all(secret.encode() not in record.value for record in records)
