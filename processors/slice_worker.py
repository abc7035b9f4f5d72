"""The slice worker: a Faust agent that turns `llm.calls` into closed slices on `llm.slices`.

At-least-once towards Kafka, exactly once in effect: a batch's offset is committed only after every second it touched is
closed and its frames are acknowledged by the broker, and a frame that is sent twice is ignored by `watch`.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

import mode
import msgspec
from faust.types import StreamT

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.frames import encode_frames, pack_frames
from tokentrail.processors.price_sources import open_price_book
from tokentrail.processors.pulse_writer import PulseWriter
from tokentrail.processors.record_batches import BatchingApp, Continuity, OrderedAcks
from tokentrail.processors.rule_reload import RuleFileWatch
from tokentrail.processors.slicing import ClosedSlices, PartitionSlicer, Rejection
from tokentrail.processors.tally_plan import TallyPlan, plan_tallies
from tokentrail.processors.worker_process import run_until_stopped
from tokentrail.readiness import report_ready, report_state
from tokentrail.schemas import topics
from tokentrail.schemas.dead_letters import describe_rejection
from tokentrail.settings import Settings, current_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from faust.streams import Stream
    from faust.types import TP

MAX_IN_FLIGHT: Final = 64
"""Frame groups of one partition that may be on their way at once; beyond it the partition waits for the broker."""


class _Partition:
    """What the worker holds for one assigned source partition."""

    def __init__(self, slicer: PartitionSlicer, continuity: Continuity) -> None:
        self.slicer = slicer
        self.continuity = continuity
        self.acks = OrderedAcks()
        self.in_flight: deque[tuple[int, asyncio.Future[Any]]] = deque()
        self.delivered_through: int | None = None
        self._settling = asyncio.Lock()

    async def settle(self, limit: int) -> None:
        """Wait until at most `limit` groups are on their way; acknowledge what is safe. Raises what a send raised."""
        async with self._settling:
            while self.in_flight and (len(self.in_flight) > limit or self.in_flight[0][1].done()):
                through, sent = self.in_flight[0]
                await sent
                self.in_flight.popleft()
                self.delivered_through = through
            self.acks.release(self.delivered_through)


class SliceWorker:
    """Ties the pure slicer to Faust. One agent, all partitions, one batch at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rule_file = RuleFileWatch(settings.rules, settings.budgets)
        self._plan = plan_tallies(self._rule_file.rules)
        self._cost = CostMeter(open_price_book(settings))
        self._calls = settings.topic(topics.CALLS.name)
        self._slices = settings.topic(topics.SLICES.name)
        self._partitions: dict[int, _Partition] = {}
        self.app = BatchingApp(settings, "slice", [self._calls])
        topic = self.app.topic(self._calls, value_type=bytes)
        self.app.agent(topic, name="slice", supervisor_strategy=mode.CrashingSupervisor)(self._slice)
        self.app.on_partitions_revoked.connect(self._forget)
        self.app.on_rebalance_complete.connect(self._assigned)
        self.app.timer(1.0)(self._report)
        self.app.timer(1.0)(self._reload)
        self._pulse = PulseWriter(self.app, settings)

    async def _slice(self, stream: StreamT[Any]) -> None:
        async for event in cast("Stream[Any]", stream).noack().events():
            batch = event.value
            partition = self._partitions.get(batch.partition)
            if partition is None:
                slicer = PartitionSlicer(batch.partition, self._plan, self._settings.allowed_lateness_ms, self._cost)
                partition = _Partition(slicer, self.app.continuity_of(self._calls, batch.partition))
                self._partitions[batch.partition] = partition
            back_to = partition.continuity.admit(batch)
            if back_to is not None:
                await self.app.consumer.seek(event.message.tp, back_to)
                continue
            outcome = partition.slicer.add(batch)
            if outcome.rejections:
                await self._bury(batch.partition, outcome.rejections)
            closed = partition.slicer.close()
            if closed is not None:
                sent = await self._send(closed, partition.slicer.plan)
                partition.in_flight.append((closed.closed_through, sent))
            # Also a batch that opened nothing may have closed something: its frame must be there first.
            waits_for = (outcome.newest_second, partition.slicer.closed_through)
            partition.acks.hold(event, max((second for second in waits_for if second is not None), default=None))
            await partition.settle(MAX_IN_FLIGHT)

    async def _send(self, closed: ClosedSlices, plan: TallyPlan) -> asyncio.Future[Any]:
        producer = await self.app.maybe_start_producer()
        sources = await self._count_partitions(self._calls)
        destinations = await self._count_partitions(self._slices)
        sends: list[Awaitable[Any]] = [
            await producer.send(self._slices, None, record, destination, None, None)
            for destination, frame in pack_frames(closed, plan.frame_views, sources, destinations)
            for record in encode_frames(frame)
        ]
        return asyncio.gather(*sends)

    async def _bury(self, partition: int, rejections: list[Rejection]) -> None:
        producer = await self.app.maybe_start_producer()
        name = self._settings.topic(topics.DEAD_LETTERS.name)
        sends: list[Awaitable[Any]] = []
        for rejection in rejections:
            letter = describe_rejection(self._calls, partition, rejection.offset, rejection.payload, rejection.why)
            key = f"{self._calls}:{partition}:{rejection.offset}".encode()
            sends.append(await producer.send(name, key, msgspec.json.encode(letter), None, None, None))
        await asyncio.gather(*sends)

    async def _count_partitions(self, topic: str) -> int:
        producer = await self.app.maybe_start_producer()
        partitions = await producer._producer.partitions_for(topic)  # noqa: SLF001 - Faust has no way to ask; aiokafka caches it
        return len(partitions)

    async def _assigned(self, *_: Any, **__: Any) -> None:
        """Ready, also without a partition: with more workers than partitions one waits to take over."""
        report_ready()

    async def _forget(self, *received: Any, **_: Any) -> None:
        revoked: set[TP] = received[-1]
        for tp in revoked:
            if tp.topic == self._calls:
                self._partitions.pop(tp.partition, None)

    async def _reload(self) -> None:
        rules = self._rule_file.changed()
        if rules is None:
            return
        self._plan = plan_tallies(rules)
        for partition in self._partitions.values():
            partition.slicer.follow(self._plan)

    async def _report(self) -> None:
        for partition in list(self._partitions.values()):
            await partition.settle(MAX_IN_FLIGHT)
        counts = [partition.slicer.counts for partition in self._partitions.values()]
        report_state(
            f"{sum(c.records for c in counts):,} records, {sum(c.late for c in counts):,} late, "
            f"{sum(c.clock_suspect for c in counts):,} of suspect time, {sum(c.rejected for c in counts):,} rejected"
        )


def main() -> None:
    """Run the worker until SIGTERM or SIGINT."""
    run_until_stopped(SliceWorker(current_settings()).app)


if __name__ == "__main__":
    main()
