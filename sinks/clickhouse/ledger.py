"""The ledger writer: llm.calls into event_log and calls, each record exactly once, whatever dies in between.

The tables themselves are the offset store: what a partition's next record is, event_log says. Offsets committed to
Kafka follow behind and only show lag. One block is on its way to the engine while the next ones are read and decoded;
while the engine is away, reading pauses and nothing is lost.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential, wait_random

from tokentrail.errors import BrokerError, EngineError
from tokentrail.kafka_security import kafka_options
from tokentrail.processors.native_records import keep_native_records
from tokentrail.processors.pricing import PriceBook
from tokentrail.readiness import report_ready, report_state
from tokentrail.schemas.topics import CALLS
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.ledger_block import MAX_BYTES, MAX_ROWS, Backlog, Block, read_chunks
from tokentrail.sinks.clickhouse.ledger_tables import UNKNOWN_MS, LedgerTables, Tail

MAX_AGE_S: Final = 0.5
"""A row waits no longer for company."""
MAX_BACKLOG_BLOCKS: Final = 2
"""Reading pauses above this many full blocks."""
FETCH_RECORDS: Final = 4_000
"""Decoded in one go, some 40 ms; the consumer's heartbeat must not wait for more."""
RELEASE_S: Final = 20
"""How long a partition that is taken away waits for its insert; the next owner waits for what still runs then."""
SESSION_S: Final = 6
"""Short: a writer that was killed holds its partitions for so long. One that was only slow loses nothing."""
REPORT_S: Final = 1.0

_log = logging.getLogger(__name__)


class _ReleasedError(Exception):
    """The partitions are no longer ours, or the writer is to stop; nothing more is tried."""


class LedgerWriter(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """One member of the ledger's consumer group. `run` works until `stop` is called.

    A partition that is taken away is given up only when nothing more can be written for it. What Kafka cannot wait for
    is a process that was frozen for longer than its session in the middle of an insert: when it goes on, that block may
    come twice; no record is lost, and the next recovery refuses to go on before the second copies are removed.
    """

    def __init__(self, settings: Settings, prices: PriceBook) -> None:
        self._topic = settings.topic(CALLS.name)
        keep_native_records({self._topic})
        self._tables = LedgerTables(settings, settings.group("ledger"))
        self._prices = prices
        self._backlog = Backlog()
        self._consumer = AIOKafkaConsumer(
            **kafka_options(settings),
            group_id=settings.group("ledger"),
            client_id=settings.group("ledger"),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1_048_576,
            fetch_max_bytes=32 * 1_048_576,
            fetch_max_wait_ms=100,
            session_timeout_ms=SESSION_S * 1000,
            heartbeat_interval_ms=2_000,
            # By default that of the session: the next owner would begin while this one still waits for its insert.
            rebalance_timeout_ms=(RELEASE_S + 10) * 1000,
        )
        self._stopping = asyncio.Event()
        self._released = asyncio.Event()
        """Set when this assignment is over, and never cleared: the next one has an event of its own."""
        self._strangers: set[TopicPartition] = set()
        """Assigned, and not yet compared with the tables."""
        self._next_offset: dict[int, int] = {}
        """Partitions that are read, and the next offset that the tables want."""
        self._check: dict[int, Tail] = {}
        """The last stored record, which Kafka must still have at the same place."""
        self._writing: asyncio.Task[Block | None] | None = None
        self._rows_written = 0

    def stop(self) -> None:
        """Let `run` finish the block that is being written, and return."""
        self._stopping.set()
        self._released.set()

    async def run(self) -> None:
        """Read and write until stopped.

        Raises:
            BrokerError: Kafka cannot be reached, or its topic is not the one that event_log was filled from.
            LedgerError: event_log holds records twice.
        """
        try:
            await self._consumer.start()
        except KafkaError as error:
            await self._consumer.stop()
            raise BrokerError(f"Kafka cannot be reached ({error}); check TOKENTRAIL_KAFKA and that it runs.") from error
        try:
            self._consumer.subscribe([self._topic], listener=self)
            reporter = asyncio.create_task(self._report())
            try:
                while not self._stopping.is_set():
                    await self._turn()
            finally:
                reporter.cancel()
                await self._finish_writing(None)
        finally:
            await self._consumer.stop()
            self._tables.close()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Give partitions up: the insert on its way is waited for, what was only read is forgotten."""
        self._released.set()
        partitions = {tp.partition for tp in revoked}
        self._strangers.difference_update(revoked)
        for partition in partitions:
            self._next_offset.pop(partition, None)
            self._check.pop(partition, None)
        self._backlog.drop(partitions)
        await self._finish_writing(RELEASE_S)

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Take partitions on; nothing is read of them before the tables were asked."""
        if not self._stopping.is_set():
            self._released = asyncio.Event()
        self._consumer.pause(*assigned)
        self._strangers.update(assigned)

    async def _turn(self) -> None:
        if self._strangers:
            await self._welcome(set(self._strangers))
        self._throttle()
        fetched = await self._consumer.getmany(timeout_ms=50, max_records=FETCH_RECORDS)
        now_s = time.monotonic()
        for tp, records in fetched.items():
            wanted = self._wanted(tp.partition, records)
            if wanted:
                for chunk in read_chunks(tp.partition, wanted, self._prices):
                    self._backlog.add(chunk, now_s)
                self._next_offset[tp.partition] = wanted[-1].offset + 1
        await self._write_due()

    def _throttle(self) -> None:
        """Stop reading while the engine is behind; the consumer itself stays in its group."""
        full = self._backlog.rows >= MAX_BACKLOG_BLOCKS * MAX_ROWS or self._backlog.size_bytes >= 2 * MAX_BYTES
        ours = [TopicPartition(self._topic, partition) for partition in self._next_offset]
        ours = [tp for tp in ours if tp in self._consumer.assignment()]
        paused = self._consumer.paused()
        if full:
            self._consumer.pause(*ours)
        else:
            self._consumer.resume(*(tp for tp in ours if tp in paused))

    def _wanted(self, partition: int, records: Sequence[Any]) -> Sequence[Any]:
        """Return the records that the tables lack.

        Raises:
            BrokerError: the last stored record is another one in Kafka.
        """
        expected = self._next_offset.get(partition)
        if expected is None:
            return ()
        last = self._check.pop(partition, None)
        first = records[0]
        known = last is not None and last.last_appended_ms != UNKNOWN_MS
        if known and last and first.offset == last.last_offset and first.timestamp != last.last_appended_ms:
            raise self._other_topic(partition, f"the record at offset {first.offset} is another one")
        if last is not None and first.offset > last.last_offset + 1:
            _log.warning(
                "%s[%d]: Kafka no longer has offsets %d to %d, and event_log never had them.",
                self._topic, partition, last.last_offset + 1, first.offset - 1,
            )  # fmt: skip
        if first.offset >= expected:
            return records
        return [record for record in records if record.offset >= expected]

    async def _welcome(self, strangers: set[TopicPartition]) -> None:
        """Compare newly assigned partitions with the tables, and read on from where those end.

        Raises:
            BrokerError: Kafka has less than the tables: it is not the topic that filled them.
        """
        released = self._released
        await self._finish_writing(None)
        tails = await self._recover({tp.partition for tp in strangers}, released)
        try:
            ends = await self._consumer.end_offsets(list(strangers))
        except KafkaError as error:
            _log.warning("Kafka does not say where %s ends (%s); asking again.", self._topic, error)
            return
        # The tables may be behind what was read of them once the partitions have been somebody else's.
        if tails is None or released.is_set():
            return
        for tp in strangers:
            tail = tails.get(tp.partition)
            if tail is not None and ends[tp] <= tail.last_offset:
                detail = f"Kafka's end offset is {ends[tp]}, event_log's last {tail.last_offset}"
                raise self._other_topic(tp.partition, detail)
            # From the last stored record on, not behind it: it must still be the same one.
            self._consumer.seek(tp, tail.last_offset if tail else 0)
            self._next_offset[tp.partition] = tail.last_offset + 1 if tail else 0
            if tail:
                self._check[tp.partition] = tail
        self._consumer.resume(*strangers)
        self._strangers -= strangers
        report_ready()

    def _other_topic(self, partition: int, detail: str) -> BrokerError:
        return BrokerError(
            f"{self._topic}[{partition}] is not the topic that this ledger was filled from: {detail}. It was created "
            f"anew or lost data; name a new database for it (TOKENTRAIL_CLICKHOUSE_DATABASE)."
        )

    async def _write_due(self) -> None:
        if self._writing is not None:
            if not self._writing.done() and self._backlog.rows < MAX_BACKLOG_BLOCKS * MAX_ROWS:
                return
            if not self._writing.done():
                await asyncio.wait([self._writing], timeout=1.0)
                return
            await self._finish_writing(None)
        due = self._backlog.age_s(time.monotonic()) >= MAX_AGE_S or self._backlog.rows >= MAX_ROWS
        if due and self._backlog.rows:
            self._writing = asyncio.create_task(self._write(self._backlog.take_block(), self._released))

    async def _finish_writing(self, timeout_s: float | None) -> None:
        """Wait for the block on its way, and tell Kafka how far the tables are."""
        task = self._writing
        if task is None:
            return
        done, _ = await asyncio.wait([task], timeout=timeout_s)
        if not done:
            task.cancel()
        self._writing = None
        if done and not task.cancelled() and (block := task.result()) is not None:
            await self._commit(block)

    async def _commit(self, block: Block) -> None:
        ours = {tp.partition: tp for tp in self._consumer.assignment()}
        offsets = {ours[p]: last + 1 for p, last in block.last_offsets.items() if p in ours}
        try:
            if offsets:
                await self._consumer.commit(offsets)
        except KafkaError as error:
            # Only the lag display depends on it.
            _log.info("Offsets of %s were not committed: %s", self._topic, error)

    async def _write(self, block: Block, released: asyncio.Event) -> Block | None:
        """Write a block, again and again until both tables hold it; None where its release came first."""
        rest, failed_before = block, False

        def write_rest() -> None:
            nonlocal rest, failed_before
            if failed_before:
                # The insert that failed may have landed all the same.
                tails = self._tables.recover(block.last_offsets)
                rest = block.without({partition: tail.last_offset for partition, tail in tails.items()})
            if released.is_set():
                raise _ReleasedError
            failed_before = True
            if rest.table.num_rows:
                self._tables.insert(rest)

        try:
            await _retrying(released)(asyncio.to_thread, write_rest)
        except _ReleasedError:
            return None
        self._rows_written += block.table.num_rows
        return block

    async def _recover(self, partitions: set[int], released: asyncio.Event) -> dict[int, Tail] | None:
        try:
            return await _retrying(released)(asyncio.to_thread, self._tables.recover, partitions)
        except _ReleasedError:
            return None

    async def _report(self) -> None:
        before, since = self._rows_written, time.monotonic()
        while True:
            await asyncio.sleep(REPORT_S)
            now = time.monotonic()
            rate = (self._rows_written - before) / (now - since)
            before, since = self._rows_written, now
            report_state(f"{rate:,.0f} rows/s, {self._lag():,} behind, {self._rows_written:,} written")

    def _lag(self) -> int:
        lag = self._backlog.rows
        for partition, position in self._next_offset.items():
            tp = TopicPartition(self._topic, partition)
            end = self._consumer.highwater(tp) if tp in self._consumer.assignment() else None
            lag += max(0, (end or 0) - position)
        return lag


def _retrying(released: asyncio.Event) -> AsyncRetrying:
    """Try again while the engine is away; raises _ReleasedError in place of an attempt after the release."""

    async def pause(seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(released.wait(), seconds)
        if released.is_set():
            raise _ReleasedError

    return AsyncRetrying(
        retry=retry_if_exception_type(EngineError),
        wait=wait_exponential(multiplier=0.2, max=5.0) + wait_random(0, 0.2),
        before_sleep=_tell,
        sleep=pause,
    )


def _tell(state: RetryCallState) -> None:
    failure = state.outcome.exception() if state.outcome else None
    _log.warning("The ledger cannot be written for now, trying again: %s", failure)
    report_state(f"waiting for ClickHouse: {failure}")
