"""Delivery to Kafka: runs on the publisher's own thread and event loop, and never gives up."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tokentrail.producers.reconciliation import Standing, list_ends, without_landed
from tokentrail.producers.records import Record

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

BATCH_BYTES: Final = 524_288
"""Uncompressed; half of what a broker accepts by default."""
ROUND_RECORDS: Final = 10_000
_REQUEST_TIMEOUT_MS: Final = 20_000
_CONNECT_TIMEOUT_S: Final = 30.0
_PATIENCE_S: Final = 5.0
_STOP_TIMEOUT_S: Final = 5.0
_BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_LANDING_S: Final = 1.0
"""After a producer is given up: a request that the broker has already read is in the log by then."""
_KNOWN_KEYS: Final = 10_000
_REFUSALS: Final = frozenset(
    ("MessageSizeTooLargeError", "RecordTooLargeError", "InvalidRecordError", "RecordListTooLargeError")
)
_log = logging.getLogger("tokentrail")


class DeliveryLoop(asyncio.SelectorEventLoop):
    """The publisher's event loop; looks up names in its own thread.

    The pool otherwise used for it is gone once the program is exiting, just when the last events are to be sent.
    """

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        """As `socket.getaddrinfo`, on the spot."""
        return socket.getaddrinfo(*args, **kwargs)


class Delivery:
    """Takes records and sees each acknowledged by all in-sync replicas, in order per key.

    After a failure the unacknowledged records are sent again with a new producer: those that are in the topic by then
    are looked up there and left out. So none is lost, none comes twice, and a producer's order holds. Where reading the
    topic is not allowed, a record may come twice (same bytes, same event id).
    """

    def __init__(
        self,
        connect: Callable[[], dict[str, Any]],
        topic: str,
        *,
        settle: Callable[[int], None] = lambda _count: None,
        refuse: Callable[[str, int], None],
        waiting: str = "in memory",
    ) -> None:
        self._connect = connect
        self._topic = topic
        self._settle = settle
        self._refuse = refuse
        self._waiting = waiting
        self._producer: AIOKafkaProducer | None = None
        self._partitions: list[int] = []
        self._partition_of: dict[bytes, int] = {}
        self._batch_bytes = BATCH_BYTES
        self._warned = False
        self._standing = Standing()
        self.retries = 0
        """How often a round had to be tried again."""
        self.found_again = 0
        """Records that were in the topic already when they were to be sent again."""
        self.last_error = ""
        """What stood in the way last; empty while all is well."""

    async def deliver(self, records: list[Record], standing: Standing | None = None) -> None:
        """Return when every record is acknowledged, or refused for good. Tries for ever; cancel it to give up.

        `standing` says where in the topic the records' process is; without it, that of everything sent so far.
        """
        standing = standing or self._standing
        attempt = 0
        while True:
            records = await self._patiently(records, standing)
            if not records:
                break
            self.retries += 1
            await self._drop_producer()
            await asyncio.sleep(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)])
            if standing.uncertain:
                await asyncio.sleep(_LANDING_S)
            attempt += 1
        self._note(None)

    async def close(self) -> None:
        """Let go of the broker; what is on its way has been awaited by `deliver`."""
        await self._drop_producer()

    async def _patiently(self, records: list[Record], standing: Standing) -> list[Record]:
        """Try once, however long it takes, and tell when it takes long: aiokafka waits for a lost broker in silence."""
        trying = asyncio.ensure_future(self._try(records, standing))
        try:
            done, _ = await asyncio.wait({trying}, timeout=_PATIENCE_S)
            if not done:
                self._note(TimeoutError(f"no acknowledgement for {_PATIENCE_S:.0f} s"))
            return await trying
        except asyncio.CancelledError:
            trying.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the records are still to be delivered
            self._note(error)
            return records

    async def _try(self, records: list[Record], standing: Standing) -> list[Record]:
        """Send each partition's records; return those that have to be sent again, in order."""
        producer = await self._connected()
        lanes: dict[int, list[Record]] = {}
        for record in records:
            partition = self._partition_of.get(record.key)
            if partition is None:
                partition = self._assign(record.key)
            lane = lanes.get(partition)
            if lane is None:
                lane = lanes[partition] = []
            lane.append(record)
        if standing.uncertain:
            lanes = await self._leave_out_landed(lanes, standing)
        unknown = [partition for partition in lanes if partition not in standing.offsets]
        if unknown:
            ends = await list_ends(producer.client, self._topic, unknown)
            standing.move({partition: end - 1 for partition, end in ends.items()})
            standing.save()
        left = await asyncio.gather(*(self._send_lane(producer, standing, *lane) for lane in lanes.items()))
        return [record for rest in left for record in rest]

    async def _leave_out_landed(self, lanes: dict[int, list[Record]], standing: Standing) -> dict[int, list[Record]]:
        """Look in the topic for what an earlier attempt left there, and settle it."""
        count = sum(map(len, lanes.values()))
        rest = await without_landed(self._connect(), self._topic, lanes, standing)
        landed = count - sum(map(len, rest.values()))
        self.found_again += landed
        standing.uncertain = False
        self._settle(landed)
        return rest

    async def _send_lane(
        self, producer: "AIOKafkaProducer", standing: Standing, partition: int, records: list[Record]
    ) -> list[Record]:
        """Send one partition's records, one batch after the other; return what is not acknowledged."""
        sent = 0
        while sent < len(records):
            batch, end = self._fill(producer, records, sent)
            try:
                acknowledged = await producer.send_batch(batch, self._topic, partition=partition)
                placed = await acknowledged
            except Exception as error:  # noqa: BLE001 - the records are kept, and tried again with a new producer
                self._note(error)
                if type(error).__name__ in _REFUSALS:
                    return records[sent + 1 :] if self._blame(end - sent) else records[sent:]
                standing.uncertain = True
                return records[sent:]
            if placed.offset >= 0:  # unknown where an earlier attempt had succeeded
                standing.move({partition: placed.offset + end - sent - 1})
            self._settle(end - sent)
            sent = end
        return []

    def _fill(self, producer: "AIOKafkaProducer", records: list[Record], start: int) -> tuple[Any, int]:
        """Return a batch that begins with record `start`, and the number of the first record that is not in it."""
        batch = producer.create_batch()
        room, end = self._batch_bytes, start
        while end < len(records):
            record = records[end]
            room -= len(record.value)
            if room < 0 and end > start:
                break
            if batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers) is None:
                break
            end += 1
        batch.close()
        return batch, end

    def _blame(self, batch_records: int) -> bool:
        """The broker refuses a batch for what is in it: cut smaller ones, until one record is to blame (True)."""
        if batch_records > 1:
            self._batch_bytes = max(1, self._batch_bytes // 8)
            return False
        self._batch_bytes = BATCH_BYTES
        self._refuse("refused_by_broker", 1)
        self._settle(1)
        return True

    async def _connected(self) -> "AIOKafkaProducer":
        from aiokafka import AIOKafkaProducer

        if self._producer is None:
            producer = AIOKafkaProducer(
                **self._connect(),
                client_id="tokentrail",
                acks="all",
                enable_idempotence=True,
                compression_type="zstd",
                max_batch_size=BATCH_BYTES,
                request_timeout_ms=_REQUEST_TIMEOUT_MS,
            )
            self._producer = producer
            await asyncio.wait_for(producer.start(), _CONNECT_TIMEOUT_S)
        partitions = sorted(await self._producer.partitions_for(self._topic))
        if partitions != self._partitions:
            self._partitions = partitions
            self._partition_of.clear()
        return self._producer

    def _assign(self, key: bytes) -> int:
        from aiokafka.partitioner import DefaultPartitioner

        if len(self._partition_of) >= _KNOWN_KEYS:
            self._partition_of.clear()
        partition = int(DefaultPartitioner()(key, self._partitions, self._partitions))
        self._partition_of[key] = partition
        return partition

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # Its batches have failed or been settled; stopping may still wait for a broker that is not there.
        for stop in (producer._sender.close, producer.client.close):  # noqa: SLF001 - stop() would flush first
            try:
                await asyncio.wait_for(stop(), _STOP_TIMEOUT_S)
            except Exception as error:  # noqa: BLE001 - it is being thrown away
                _log.debug("closing a Kafka producer: %s", type(error).__name__)
        producer._closed = True  # noqa: SLF001 - or its finalizer warns

    def _note(self, error: BaseException | None) -> None:
        if error is None:
            if self._warned:
                _log.warning("Kafka takes events for %s again.", self._topic)
            self._warned = False
            self.last_error = ""
            return
        # Of a connection that fails, for a wrong password as well, aiokafka tells the reason only in its log.
        why = f"{type(error).__name__}: {error}" if "bootstrap" not in str(error) else _heard.message or str(error)
        self.last_error = why[:300]
        if not self._warned:
            self._warned = True
            _log.warning(
                "Events cannot be delivered to %s in Kafka (%s). They wait %s and are sent when it takes them; "
                "calls are not affected.", self._topic, self.last_error, self._waiting,
            )  # fmt: skip


class _Heard(threading.local):
    """The last complaint that this thread's aiokafka was not let log."""

    message = ""


_heard = _Heard()


class _QuietThread(logging.Filter):
    """Keeps aiokafka's complaints on one thread out of the host's log: the publisher says it once, in a sentence."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.current_thread()  # not its id, which the next thread may be given

    def filter(self, record: logging.LogRecord) -> bool:
        if threading.current_thread() is not self._thread:
            return True
        if record.levelno >= logging.WARNING:
            _heard.message = record.getMessage()
        return False


@contextmanager
def quiet_this_thread() -> Iterator[None]:
    """Silence aiokafka's loggers, once it is imported, in this thread's block only; a host's own use is not touched."""
    quiet = _QuietThread()
    loggers = [
        logging.getLogger(name)
        for name in [*logging.root.manager.loggerDict]
        if name == "aiokafka" or name.startswith("aiokafka.")
    ]
    for logger in loggers:
        logger.addFilter(quiet)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(quiet)
