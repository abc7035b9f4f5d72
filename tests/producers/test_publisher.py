"""The publisher on a real broker: everything once and in order, whatever the broker does."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.partitioner import murmur2
from own_broker import OwnBroker

from tokentrail.compose.environ import worker_environ
from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.publisher import Publisher
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.records import Record
from tokentrail.settings import Settings

SENT = Outcome(status="SUCCESS")


async def _read(settings: Settings) -> list[Any]:
    topic = settings.topic("llm.calls")
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False) as consumer:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        found: list[Any] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(records)
    return found


def read_calls(settings: Settings) -> list[Any]:
    return asyncio.run(_read(settings))


def sequences(records: list[Any]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for record in records:
        event = msgspec.json.decode(record.value)
        found.setdefault(event["producer_id"], []).append(event["producer_seq"])
    return found


@pytest.fixture
def publisher(settings: Settings) -> Iterator[Publisher]:
    made = Publisher.from_settings(settings)
    yield made
    made.close(0)


@pytest.mark.broker
def test_every_record_arrives_once_in_order_with_key_and_headers(settings: Settings, publisher: Publisher) -> None:
    recorders = [Recorder(publisher, service="checkout") for _ in range(5)]
    for _ in range(400):
        for recorder in recorders:
            recorder.completed(Call(), SENT)

    assert publisher.flush(30)

    records = read_calls(settings)
    assert sequences(records) == {recorder.producer_id: list(range(1, 401)) for recorder in recorders}
    assert all(record.partition == (murmur2(record.key) & 0x7FFFFFFF) % settings.partitions for record in records)
    headers = dict(records[0].headers)
    assert headers["ce_source"] == b"/tokentrail/checkout/" + records[0].key
    assert headers["ce_id"].decode() == msgspec.json.decode(records[0].value)["event_id"]
    stats = publisher.stats()
    assert (stats.accepted, stats.delivered, stats.pending, stats.dropped) == (2000, 2000, 0, {})


@pytest.mark.broker
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_parent_and_forked_child_each_send_their_own(settings: Settings, publisher: Publisher) -> None:
    recorder = Recorder(publisher)
    recorder.completed(Call(), SENT)
    assert publisher.flush(30)
    for _ in range(50):  # still in the queue, or on their way, when the child is made
        recorder.completed(Call(), SENT)
    child = os.fork()
    if child == 0:
        for _ in range(30):
            recorder.completed(Call(), SENT)
        os._exit(0 if publisher.flush(30) and publisher.stats().accepted == 30 else 1)
    _, status = os.waitpid(child, 0)
    recorder.completed(Call(), SENT)
    assert publisher.flush(30)

    assert os.waitstatus_to_exitcode(status) == 0
    found = sequences(read_calls(settings))
    assert found.pop(recorder.producer_id) == list(range(1, 53))
    assert list(found.values()) == [list(range(1, 31))]


@pytest.mark.broker
def test_children_forked_while_the_first_call_is_on_its_way_lose_nothing(settings: Settings) -> None:
    program = """
import os, sys, time
from tokentrail.producers.calls import Call
from tokentrail.producers.trail import default_scribe, flush
default_scribe().started(Call(), time.time_ns())
children = []
for _ in range(10):
    time.sleep(float(sys.argv[1]))  # the random moment
    child = os.fork()
    if not child:
        default_scribe().started(Call(), time.time_ns())
        os._exit(not flush(10))
    children.append(child)
assert flush(10)
assert [os.waitpid(child, 0)[1] for child in children] == [0] * 10
"""
    environ = {**worker_environ(settings), "TOKENTRAIL_DELIVERY": "memory"}
    for number in range(5):
        pause = random.Random(number).uniform(0, 0.03)
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, str(pause)]
        subprocess.run(command, env=environ, check=True, timeout=60)

    assert list(sequences(read_calls(settings)).values()) == [[1]] * 55


@pytest.mark.broker
@pytest.mark.parametrize("delivery", ["memory", "spool"])
def test_a_program_that_ends_at_once_still_sends_its_last_events(
    settings: Settings, delivery: str, tmp_path: Path
) -> None:
    program = """
from tokentrail.producers.calls import Call
import time
from tokentrail.producers.trail import default_scribe
default_scribe().started(Call(feature="last words"), time.time_ns())
"""
    environ = {
        **os.environ,
        "TOKENTRAIL_KAFKA": settings.kafka.replace(
            "127.0.0.1", "localhost"
        ),  # a name that must be looked up while exiting
        "TOKENTRAIL_TOPIC_PREFIX": settings.topic_prefix,
        "TOKENTRAIL_DELIVERY": delivery,
        "TOKENTRAIL_SPOOL": str(tmp_path),
    }
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")
    assert [msgspec.json.decode(record.value)["feature"] for record in read_calls(settings)] == ["last words"]


@pytest.mark.broker
def test_a_record_the_broker_refuses_is_counted_and_the_others_arrive(settings: Settings, publisher: Publisher) -> None:
    for number in range(20):
        value = os.urandom(5_000_000) if number == 7 else str(number).encode()
        publisher(Record(b"p", value, []))

    assert publisher.flush(60)

    assert [record.value for record in read_calls(settings)] == [str(n).encode() for n in range(20) if n != 7]
    assert publisher.stats().dropped == {"refused_by_broker": 1}
    assert publisher.stats().delivered == 19


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[OwnBroker]:
    made = OwnBroker(tmp_path / "kafka")
    yield made
    made.kill()


@pytest.mark.broker
def test_broker_away_at_the_start_then_killed_then_back_loses_nothing(
    own_broker: OwnBroker, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Publisher.from_settings(own_broker.settings)
    recorders = [Recorder(publisher) for _ in range(3)]

    def record(count: int) -> None:
        for _ in range(count):
            for recorder in recorders:
                recorder.completed(Call(), SENT)

    record(100)
    assert not publisher.flush(0.5)
    assert publisher.stats().last_error
    own_broker.start()
    own_broker.wait_until_ready()
    record(100)
    assert publisher.flush(60)
    own_broker.kill()
    record(100)
    assert not publisher.flush(0.5)
    own_broker.start()
    record(100)
    assert publisher.flush(60)

    found = sequences(read_calls(own_broker.settings))
    assert found == {recorder.producer_id: list(range(1, 401)) for recorder in recorders}
    assert publisher.close()
    assert not [
        entry
        for entry in caplog.records
        if entry.name.startswith("aiokafka") and entry.threadName == "tokentrail-publisher"
    ]


def test_without_a_broker_memory_is_bounded_and_every_drop_is_counted() -> None:
    publisher = Publisher("127.0.0.1:1", "llm.calls", max_records=10)
    recorder = Recorder(publisher)
    for _ in range(25):
        recorder.started(Call())

    assert not publisher.close(0.1)

    stats = publisher.stats()
    assert stats.accepted + stats.dropped["queue_full_records"] == 25
    assert stats.dropped["closed_before_delivery"] == stats.accepted >= 10
    assert (stats.delivered, stats.pending) == (0, 0)
    assert recorder.stats().dropped == stats.dropped["queue_full_records"]
    recorder.started(Call())
    assert publisher.stats().dropped["closed"] == 1


def test_bytes_are_bounded_too() -> None:
    publisher = Publisher("127.0.0.1:1", "llm.calls", max_bytes=10_000)
    for _ in range(5):
        publisher(Record(b"p", b"x" * 4_000, []))

    assert publisher.stats().dropped["queue_full_bytes"] >= 1
    publisher.close(0)
