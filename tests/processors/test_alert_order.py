"""One order for records of several partitions, whatever a broker gives first."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from told_alerts import make_alert, make_silence

from tokentrail.processors import alert_order
from tokentrail.processors.alert_order import OrderedLog
from tokentrail.schemas.alert_controls import encode_control
from tokentrail.schemas.alerts import encode_alert

ALERTS, CONTROLS = "llm.alerts", "llm.alert-controls"


class Record:
    def __init__(self, offset: int, timestamp: int, value: bytes) -> None:
        self.offset, self.timestamp, self.value = offset, timestamp, value


class Broker:
    """Partitions that grow as the broker's clock goes on, and a consumer that gets them in portions, by chance."""

    def __init__(self, appended: Sequence[tuple[TopicPartition, int]], seed: int) -> None:
        self._chance = random.Random(seed)
        self._appended = list(appended)
        self._there: dict[TopicPartition, list[Record]] = {tp: [] for tp in PARTITIONS}
        self._read = dict.fromkeys(PARTITIONS, 0)

    def grow(self, count: int) -> None:
        for _ in range(min(count, len(self._appended))):
            tp, clock_ms = self._appended.pop(0)
            log = self._there[tp]
            name = f"{tp.topic}-{tp.partition}-{len(log)}"
            value = encode_control(make_silence(name)) if tp.topic == CONTROLS else encode_alert(make_alert(name))
            log.append(Record(len(log), clock_ms, value))

    @property
    def done(self) -> bool:
        return not self._appended and all(self._read[tp] == len(log) for tp, log in self._there.items())

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        del timeout_ms
        self.grow(self._chance.randint(0, 3))
        tp = self._chance.choice(PARTITIONS)
        first = self._read[tp]
        found = self._there[tp][first : first + self._chance.randint(1, 4)]
        self._read[tp] += len(found)
        return {tp: found} if found else {}

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: len(self._there[tp]) for tp in partitions}

    async def position(self, tp: TopicPartition) -> int:
        return self._read[tp]


PARTITIONS = [TopicPartition(ALERTS, 0), TopicPartition(ALERTS, 1), TopicPartition(CONTROLS, 0)]
GROWTH = st.lists(st.tuples(st.sampled_from(PARTITIONS), st.integers(0, 3)), max_size=30)


async def read_all(broker: Broker) -> list[tuple[int, str, int, int]]:
    log = OrderedLog(broker, broker, ALERTS, dict.fromkeys(PARTITIONS, 0))
    found = []
    while not broker.done or log._waiting:
        found += await log.take(0)
    return [(record.order_ms, type(record.content).__name__, record.partition, record.offset) for record in found]


@given(steps=GROWTH, seed=st.integers(0, 2**32))
async def test_every_reader_finds_the_order_of_the_brokers_clock(
    steps: list[tuple[TopicPartition, int]], seed: int
) -> None:
    clock_ms, appended = 1000, []
    for tp, later_ms in steps:
        clock_ms += 1 + later_ms
        appended.append((tp, clock_ms))
    found = await read_all(Broker(appended, seed))
    assert [place[0] for place in found] == [clock for _, clock in appended]


@pytest.fixture(autouse=True, scope="module")
def at_once() -> Any:
    patched = pytest.MonkeyPatch()
    patched.setattr(alert_order, "SETTLE_S", 0)
    yield
    patched.undo()


@given(seed=st.integers(0, 2**32))
async def test_a_clock_that_steps_back_leaves_each_partition_in_its_own_order(seed: int) -> None:
    first, second, _ = PARTITIONS
    appended = [(first, 1000), (first, 400), (second, 700), (first, 1001), (second, 600)]
    found = await read_all(Broker(appended, seed))
    for partition, count in ((0, 3), (1, 2)):
        assert [offset for _, _, number, offset in found if number == partition] == list(range(count))


async def test_a_control_goes_before_an_alert_of_the_same_millisecond() -> None:
    first, _, controls = PARTITIONS
    broker = Broker([(first, 1000), (controls, 1000)], 0)
    broker.grow(2)
    assert [name for _, name, _, _ in await read_all(broker)] == ["Silence", "Alert"]
