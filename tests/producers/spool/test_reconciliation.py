"""Records whose sending was cut short: those that landed are left out, the others are sent, on a real broker."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import OutOfOrderSequenceNumber, TopicAuthorizationFailedError
from topic_log import read_topic

from tokentrail.producers.delivery import Delivery
from tokentrail.producers.reconciliation import Standing
from tokentrail.producers.records import Record
from tokentrail.producers.spool.adoption import Orphan, Orphanage
from tokentrail.producers.spool.cursor import CursorFile
from tokentrail.producers.spool.directory import Destination, make_directory
from tokentrail.producers.spool.segments import Segments
from tokentrail.producers.spool.writer import SpoolLimits, SpoolWriter
from tokentrail.settings import Settings

pytestmark = pytest.mark.broker


def records(begin: int, end: int) -> list[Record]:
    return [Record(b"producer-%d" % (number % 5), str(number).encode(), []) for number in range(begin, end)]


def make_delivery(settings: Settings) -> Delivery:
    def refuse(reason: str, count: int) -> None:
        raise AssertionError(reason, count)

    return Delivery(lambda: {"bootstrap_servers": settings.kafka}, settings.topic("llm.calls"), refuse=refuse)


async def values(settings: Settings) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = {}
    for record in await read_topic(settings, "llm.calls"):
        found.setdefault(record.key, []).append(int(record.value))
    return found


def in_order(end: int) -> dict[bytes, list[int]]:
    return {b"producer-%d" % producer: list(range(producer, end, 5)) for producer in range(5)}


def write_spool(root: Path, settings: Settings, count: int) -> Path:
    """Leave a directory with so many records."""
    directory = make_directory(root, Destination(settings.topic("llm.calls"), settings.kafka))
    writer = SpoolWriter(Segments(directory.path), SpoolLimits())
    assert all(writer.append(record) for record in records(0, count))
    assert writer.commit()
    writer.close()
    directory.release()
    return directory.path


def adopt(root: Path, settings: Settings) -> Orphan:
    destination = Destination(settings.topic("llm.calls"), settings.kafka)
    (orphan,) = Orphanage(root, destination.takes, grace_s=0).adopt()
    return orphan


async def ship(orphan: Orphan, delivery: Delivery) -> None:
    while not orphan.is_empty:
        await orphan.ship_round(delivery)
    orphan.leave()


async def test_what_a_dead_process_sent_and_did_not_note_is_not_sent_again(settings: Settings, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    path = write_spool(root, settings, 100)
    delivery = make_delivery(settings)
    await delivery.deliver([Record(b"others", b"0", []) for _ in range(20)])
    orphan = adopt(root, settings)
    # As the dead process did: where it began is noted, then some of its records are sent, and it dies.
    await delivery.deliver(records(0, 60), orphan.standing)
    orphan.leave()

    found_before = delivery.found_again
    await ship(adopt(root, settings), delivery)

    assert delivery.found_again - found_before == 60
    found = await values(settings)
    assert len(found.pop(b"others")) == 20
    assert found == in_order(100)
    assert not path.exists()
    await delivery.close()


async def test_a_note_that_is_older_than_the_last_rounds_duplicates_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokentrail.producers.spool.adoption._DOUBTFUL_RECORDS", 1)
    monkeypatch.setattr("tokentrail.producers.spool.reader._CHUNK_BYTES", 1000)  # 100 records take several rounds
    root = tmp_path / "spool"
    path = write_spool(root, settings, 100)
    delivery = make_delivery(settings)
    orphan = adopt(root, settings)
    await delivery.deliver(records(0, 80), orphan.standing)
    orphan.leave()

    await ship(adopt(root, settings), delivery)

    assert await values(settings) == in_order(100)
    assert not path.exists()
    await delivery.close()


async def test_with_the_note_lost_the_topic_is_searched_from_when_the_process_began(
    settings: Settings, tmp_path: Path
) -> None:
    root = tmp_path / "spool"
    path = write_spool(root, settings, 100)
    delivery = make_delivery(settings)
    await delivery.deliver(records(0, 60))
    CursorFile(path).path.write_bytes(b"\x00" * 100)

    await ship(adopt(root, settings), delivery)

    assert delivery.found_again == 60
    assert await values(settings) == in_order(100)
    await delivery.close()


async def test_an_adopter_that_dies_as_well_leaves_its_work_to_the_next(settings: Settings, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    write_spool(root, settings, 100)
    delivery = make_delivery(settings)
    first = adopt(root, settings)
    await delivery.deliver(records(0, 60), first.standing)
    first.leave()
    second = adopt(root, settings)
    second.standing.uncertain = True
    await delivery.deliver(records(0, 80), second.standing)
    second.leave()

    found_before = delivery.found_again
    await ship(adopt(root, settings), delivery)

    assert delivery.found_again - found_before == 80
    assert await values(settings) == in_order(100)
    await delivery.close()


async def test_a_partition_first_sent_to_in_the_middle_of_a_round_hides_nothing_of_the_others(
    settings: Settings, tmp_path: Path
) -> None:
    root = tmp_path / "spool"
    write_spool(root, settings, 100)
    delivery = make_delivery(settings)
    first = adopt(root, settings)
    lanes = {key: [record for record in records(0, 100) if record.key == key] for key in in_order(1)}
    for lane in lanes.values():  # each noted before it is sent, none settled
        await delivery.deliver(lane, first.standing)
    first.leave()

    await ship(adopt(root, settings), delivery)

    assert delivery.found_again == 100
    assert await values(settings) == in_order(100)
    await delivery.close()


def fail_after(monkeypatch: pytest.MonkeyPatch, batches: int) -> None:
    """Let one batch be appended by the broker and its acknowledgement be lost."""
    send_batch = AIOKafkaProducer.send_batch
    sent = 0

    async def send_and_forget(self: AIOKafkaProducer, batch: Any, topic: str, *, partition: int) -> Any:
        nonlocal sent
        sent += 1
        acknowledged = await send_batch(self, batch, topic, partition=partition)
        if sent != batches:
            return acknowledged
        await acknowledged
        lost = asyncio.get_running_loop().create_future()
        lost.set_exception(OutOfOrderSequenceNumber())
        return lost

    monkeypatch.setattr(AIOKafkaProducer, "send_batch", send_and_forget)


async def test_a_lost_acknowledgement_duplicates_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokentrail.producers.delivery._LANDING_S", 0)
    monkeypatch.setattr("tokentrail.producers.delivery.BATCH_BYTES", 30)
    delivery = make_delivery(settings)
    await delivery.deliver(records(0, 50))
    fail_after(monkeypatch, 4)
    await delivery.deliver(records(50, 150))

    assert delivery.retries == 1
    assert delivery.found_again > 0
    assert await values(settings) == in_order(150)
    await delivery.close()


async def test_who_may_not_read_sends_all_again_and_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(*_: Any) -> Any:
        raise TopicAuthorizationFailedError("llm.calls")

    delivery = make_delivery(settings)
    with monkeypatch.context() as patched:
        patched.setattr(AIOKafkaConsumer, "end_offsets", refuse)
        await delivery.deliver(records(0, 50), Standing({0: -1, 1: -1}, uncertain=True))

    assert await values(settings) == in_order(50)
    assert "may not read" in caplog.text
    await delivery.close()
