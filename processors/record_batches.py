"""Record batches: gives Faust one event per fetched batch of a partition instead of one per record.

Faust's price is per event (about 60 µs); decoding a record costs about 2. The consumer thread below replaces the
records of each fetch, per partition, by one record whose value is a `RecordBatch` and whose offset is the last one.

Faust would take the skipped offsets for gaps, list each of them at every commit, and stop committing for good where the
first batch is the one record at offset 0. So for these topics the offset to commit is simply the one behind the newest
acknowledged batch, which is right as long as batches are acknowledged in order; `OrderedAcks` sees to that.
"""

import logging
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, EventT

from tokentrail.kafka_security import kafka_options
from tokentrail.processors.native_records import keep_native_records
from tokentrail.processors.slicing import RecordBatch
from tokentrail.settings import Settings

_log = logging.getLogger(__name__)

FETCH_RECORDS: Final = 5_000
FETCH_BYTES: Final = 4 * 1_048_576
CHANGELOG_BATCH_BYTES: Final = 262_144
"""Of aiokafka's own 16 KiB, a changelog of thousands of entities would be hundreds of batches, one after the other."""


class _FetchedBatch:
    """Stands in for aiokafka's ConsumerRecord; Faust reads these attributes of it."""

    __slots__ = ("offset", "partition", "timestamp", "topic", "value")

    checksum = None
    headers = ()
    key = None
    serialized_key_size = 0
    serialized_value_size = 0
    timestamp_type = 1

    def __init__(self, tp: Any, records: list[Any]) -> None:
        last = records[-1]
        self.topic = tp.topic
        self.partition = tp.partition
        self.offset = last.offset
        self.timestamp = last.timestamp
        self.value = RecordBatch(
            tp.partition,
            [record.offset for record in records],
            [record.timestamp for record in records],
            [record.value for record in records],
        )


class _BatchingThread(driver.AIOKafkaConsumerThread):
    async def getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109 - Faust's signature
    ) -> Mapping[TP, list[Any]]:
        fetched = await super().getmany(active_partitions, timeout)
        batched = cast("BatchingApp", self.app).batched_topics
        return {
            tp: [_FetchedBatch(tp, records)] if records and tp.topic in batched else records
            for tp, records in fetched.items()
        }

    def verify_event_path(self, now: float, tp: TP) -> None:
        # A changelog is written by its own reader and read at the start alone: Faust would call it stuck for ever.
        if tp.topic in cast("BatchingApp", self.app).batched_topics:
            super().verify_event_path(now, tp)


class _BatchingConsumer(driver.Consumer):
    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _BatchingThread(self, loop=self.loop, beacon=self.beacon)

    def _batches(self, tp: TP) -> bool:
        return tp.topic in cast("BatchingApp", self.app).batched_topics

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if not self._batches(tp):
            await super()._add_gap(tp, offset_from, offset_to)

    def _new_offset(self, tp: TP) -> int | None:
        if not self._batches(tp):
            return super()._new_offset(tp)
        acked = self._acked[tp]
        if not acked:
            return None
        last = max(acked)
        self._acked_index[tp].difference_update(acked)
        acked.clear()
        return last + 1


class _IdempotentProducer(driver.Producer):
    def _settings_default(self) -> Mapping[str, Any]:
        return {**super()._settings_default(), "enable_idempotence": True}


class _BatchingTransport(driver.Transport):
    Consumer = _BatchingConsumer
    Producer = _IdempotentProducer


class BatchingApp(faust.App):
    """A Faust app in which `batched_topics` arrive as one `RecordBatch` per fetch and partition."""

    def __init__(self, settings: Settings, part: str, batched_topics: Iterable[str]) -> None:
        self.batched_topics = frozenset(batched_topics)
        keep_native_records(self.batched_topics)
        super().__init__(
            settings.group(part),
            broker=[f"aiokafka://{server.strip()}" for server in settings.kafka.split(",")],
            broker_credentials=_credentials(settings),
            store="memory://",
            datadir=tempfile.gettempdir(),  # Faust wants one; the memory store writes nothing there
            value_serializer="raw",
            key_serializer="raw",
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=FETCH_BYTES,
            broker_max_poll_records=FETCH_RECORDS,
            broker_commit_interval=1.0,
            broker_session_timeout=10.0,  # how long a killed worker's partitions stand still
            broker_heartbeat_interval=2.0,
            producer_max_request_size=4_000_000,
            producer_compression_type="lz4",
            producer_linger_ms=5,
            producer_max_batch_size=CHANGELOG_BATCH_BYTES,
            stream_buffer_maxsize=16,  # counts batches here, not records
            stream_wait_empty=False,  # what is not acknowledged is read again; waiting for it would hang the stop
            topic_allow_declare=False,  # topics come from `tokentrail topics`, none by accident
            topic_disable_leader=True,
            web_enabled=False,
        )

    def continuity_of(self, topic: str, partition: int) -> "Continuity":
        """Return the continuity of a partition that has just been taken on, from its committed offset."""
        return Continuity(self.consumer._committed_offset[TP(topic, partition)] or 0)  # type: ignore[attr-defined]  # noqa: SLF001 - where Faust itself has sought to

    def _new_transport(self) -> Any:
        return _BatchingTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Any:
        return _BatchingTransport(self.conf.broker_producer, self)


class Continuity:
    """Notices batches of one partition that never came.

    Around a rebalance Faust drops what arrives while its flow is suspended, and goes on behind it.
    """

    def __init__(self, next_offset: int) -> None:
        self._next_offset = next_offset
        self._found: int | None = None

    def admit(self, batch: RecordBatch) -> int | None:
        """Return None to take a batch, or the offset to seek to instead.

        A batch that starts at the same later offset again is taken: Kafka no longer has what lies before it.
        """
        first = batch.offsets[0]
        if first not in {self._next_offset, self._found}:
            self._found = first
            _log.warning("Offset %d came where %d was due; going back for it.", first, self._next_offset)
            return self._next_offset
        self._next_offset, self._found = batch.offsets[-1] + 1, None
        return None


class OrderedAcks:
    """Acknowledges one partition's batches in order, each once the second it waits for is accounted for."""

    def __init__(self) -> None:
        self._held: deque[tuple[EventT[Any], int | None]] = deque()

    def hold(self, event: EventT[Any], second: int | None) -> None:
        """Keep a batch until `second` is accounted for; None: nothing of it is outstanding."""
        self._held.append((event, second))

    def release(self, through: int | None) -> None:
        """Acknowledge from the oldest on, as far as everything up to `through` is accounted for."""
        while self._held:
            event, second = self._held[0]
            if second is not None and (through is None or second > through):
                return
            event.ack()
            self._held.popleft()


def _credentials(settings: Settings) -> faust.auth.Credentials | None:
    """Return what `kafka_options` says, in Faust's form."""
    options = kafka_options(settings)
    context = options.get("ssl_context")
    if "sasl_mechanism" not in options:
        return None if context is None else faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=options["sasl_plain_username"],
        password=options["sasl_plain_password"],
        mechanism=options["sasl_mechanism"],
        ssl_context=context,
    )
