"""The log in a topic: a stretch of `llm.calls`, or of any topic with such records, by event time or by offsets."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tokentrail.errors import BrokerError
from tokentrail.kafka_security import kafka_options
from tokentrail.processors.event_range import EventRange
from tokentrail.processors.log_source import KeptRecord
from tokentrail.processors.slicing import RecordBatch
from tokentrail.settings import Settings

FETCH_RECORDS: Final = 5_000
FETCH_BYTES: Final = 4 * 1_048_576
PATIENCE_S: Final = 30.0
"""How long a partition that has more may give nothing before its broker counts as gone."""


class OffsetRange(msgspec.Struct, frozen=True):
    """First offset and the one behind the last, by partition; `every` holds for those that are not named."""

    begin: Mapping[int, int] = {}
    end: Mapping[int, int] = {}
    begin_of_every: int | None = None
    end_of_every: int | None = None


class TopicLog:
    """Reads a topic, without a consumer group; a `LogSource`.

    `within` leaves out what lies outside of a stretch of event time, and what cannot be read; `offsets` bounds what is
    looked at. Nothing that comes while it reads is read: the end is the topic's end when it was asked first.
    """

    def __init__(
        self, settings: Settings, topic: str, within: EventRange | None = None, offsets: OffsetRange | None = None
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._within = within
        self._offsets = offsets or OffsetRange()
        self._bounds: dict[int, tuple[int, int]] | None = None
        self._read = self._wanted = 0

    @property
    def fraction(self) -> float:
        """How much has been read, by offsets."""
        return self._read / self._wanted if self._wanted else 0.0

    def count_by_partition(self) -> dict[int, int]:
        """Return the partitions that have something in these bounds, and how many offsets there are to look at.

        Raises:
            BrokerError: the broker does not answer or refuses, or the topic is not there.
        """
        return {partition: end - begin for partition, (begin, end) in self._find_bounds().items() if begin < end}

    def read(self, partitions: Sequence[int]) -> Iterator[RecordBatch]:
        """Yield the records of some partitions: always next of the one whose last record is the oldest.

        Raises:
            BrokerError: the broker does not answer or refuses, or the topic is not there.
        """
        for partition, records in self._fetch(partitions):
            batch = RecordBatch(
                partition,
                [record.offset for record in records],
                [record.timestamp for record in records],
                [record.value for record in records],
            )
            selected = self._within.select(batch) if self._within else batch
            if selected.offsets:
                yield selected

    def read_kept(self) -> Iterator[list[KeptRecord]]:
        """Yield all records with keys and headers, as they are, some of one partition at a time; without tombstones.

        Raises:
            BrokerError: as above.
        """
        for partition, records in self._fetch(sorted(self.count_by_partition())):
            kept = [
                KeptRecord(partition, record.timestamp, record.key, record.value, list(record.headers))
                for record in records
                if record.value is not None and (self._within is None or self._within.holds_record(record.value))
            ]
            if kept:
                yield kept

    def _find_bounds(self) -> dict[int, tuple[int, int]]:
        if self._bounds is None:
            with _connected(self._settings, self._topic) as (loop, consumer, partitions):
                self._bounds = loop.run_until_complete(self._ask_bounds(consumer, partitions))
        return self._bounds

    async def _ask_bounds(
        self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]
    ) -> dict[int, tuple[int, int]]:
        begins = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        found = {tp: (begins[tp], ends[tp]) for tp in partitions}
        if self._within is not None:
            first = await consumer.offsets_for_times(dict.fromkeys(partitions, max(0, self._within.appended_since_ms)))
            last = await consumer.offsets_for_times(
                dict.fromkeys(partitions, max(0, self._within.appended_until_ms + 1))
            )
            for tp, (_, end) in found.items():
                found[tp] = (first[tp].offset if first[tp] else end, min(end, last[tp].offset) if last[tp] else end)
        return {tp.partition: self._narrow(tp.partition, *bounds) for tp, bounds in found.items()}

    def _narrow(self, partition: int, begin: int, end: int) -> tuple[int, int]:
        wanted = self._offsets
        first = wanted.begin.get(partition, wanted.begin_of_every)
        behind = wanted.end.get(partition, wanted.end_of_every)
        return (begin if first is None else max(begin, first), end if behind is None else min(end, behind))

    def _fetch(self, partitions: Sequence[int]) -> Iterator[tuple[int, list[Any]]]:
        """Yield stretches of consumer records, each of one partition."""
        found = self._find_bounds()
        bounds = {p: found[p] for p in partitions if found[p][0] < found[p][1]}
        self._wanted += sum(end - begin for begin, end in bounds.values())
        with _connected(self._settings, self._topic) as (loop, consumer, _):
            tps = {partition: TopicPartition(self._topic, partition) for partition in bounds}
            loop.run_until_complete(_seek(consumer, {tps[p]: begin for p, (begin, _) in bounds.items()}))
            reached_ms = dict.fromkeys(bounds, -1)
            position = {partition: begin for partition, (begin, _) in bounds.items()}
            while reached_ms:
                partition = min(reached_ms, key=lambda p: (reached_ms[p], p))
                end = bounds[partition][1]
                records = loop.run_until_complete(self._fetch_some(consumer, tps[partition], end))
                kept = [record for record in records if record.offset < end]
                # Behind the last record may lie offsets that hold none: markers of transactions, what was compacted.
                behind = kept[-1].offset + 1 if kept and len(kept) == len(records) else end
                self._read += behind - position[partition]
                position[partition] = behind
                if behind >= end:
                    del reached_ms[partition]
                else:
                    reached_ms[partition] = kept[-1].timestamp
                if kept:
                    yield partition, kept

    async def _fetch_some(self, consumer: AIOKafkaConsumer, tp: TopicPartition, end: int) -> list[Any]:
        """Return what is there of a partition; nothing only where nothing is left before `end`."""
        with _broker_errors(self._settings, self._topic):
            waited_s = 0.0
            while waited_s < PATIENCE_S:
                found = await consumer.getmany(tp, timeout_ms=500, max_records=FETCH_RECORDS)
                if found:
                    records: list[Any] = found[tp]
                    return records
                if await consumer.position(tp) >= end:
                    return []
                waited_s += 0.5
        raise BrokerError(
            f"Kafka at {self._settings.kafka} has given nothing of partition {tp.partition} of {self._topic} for "
            f"{PATIENCE_S:.0f} s, though there is more; check the broker."
        )


async def _seek(consumer: AIOKafkaConsumer, begins: Mapping[TopicPartition, int]) -> None:
    consumer.assign(list(begins))
    for tp, begin in begins.items():
        consumer.seek(tp, begin)


@contextmanager
def _connected(
    settings: Settings, topic: str
) -> Iterator[tuple[asyncio.AbstractEventLoop, AIOKafkaConsumer, list[TopicPartition]]]:
    """A consumer and the loop it runs in, which stands still while nobody reads."""
    from tokentrail.processors.whole_topics import find_partitions

    loop = asyncio.new_event_loop()

    async def open_consumer() -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **kafka_options(settings), enable_auto_commit=False, max_partition_fetch_bytes=FETCH_BYTES
        )

    consumer = loop.run_until_complete(open_consumer())
    try:
        with _broker_errors(settings, topic):
            loop.run_until_complete(consumer.start())
            partitions = loop.run_until_complete(find_partitions(settings, consumer, [topic]))
            yield loop, consumer, partitions
    finally:
        loop.run_until_complete(consumer.stop())
        loop.close()


@contextmanager
def _broker_errors(settings: Settings, topic: str) -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError) as error:
        raise BrokerError(
            f"The topic {topic} cannot be read from Kafka at {settings.kafka} ({error}); check TOKENTRAIL_KAFKA."
        ) from error
