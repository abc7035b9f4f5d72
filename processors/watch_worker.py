"""The watch worker: a Faust agent that turns the slices of `llm.slices` into alerts on `llm.alerts`.

State is written behind: changed entities go to a Faust table every few seconds, with a mark of the last tick they
hold. A frame's offset is committed only once its seconds lie behind the mark. After a crash the frames since the mark
are read again, entities skip the seconds they have, and state changes that the alert topic already holds are not told
again.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import mode
import msgspec
from faust.types import TP, StreamT

from tokentrail.processors.alert_log import read_alerts
from tokentrail.processors.entity_store import EntityStore
from tokentrail.processors.frames import newest_second
from tokentrail.processors.record_batches import BatchingApp, Continuity, OrderedAcks
from tokentrail.processors.rule_reload import RuleFileWatch
from tokentrail.processors.watching import PartitionWatch
from tokentrail.processors.worker_process import run_until_stopped
from tokentrail.readiness import report_ready, report_state
from tokentrail.schemas import topics
from tokentrail.schemas.alerts import Alert, encode_alert
from tokentrail.schemas.rules import Rule
from tokentrail.schemas.slices import FRAME_VERSION, decode_frame
from tokentrail.settings import Settings, current_settings

if TYPE_CHECKING:
    from faust.streams import Stream

CLOCKS_APART_MS: Final = 60_000
"""How far this machine's clock may be ahead of the broker's when old alerts are looked up."""


class _Partition:
    """What the worker holds for one assigned partition of slices."""

    def __init__(
        self, settings: Settings, rules: Sequence[Rule], table: Any, number: int, continuity: Continuity
    ) -> None:
        self.continuity = continuity
        self.number = number
        self.store = EntityStore(table, number)
        stored = self.store.load_mark()
        self.watch = PartitionWatch(rules, self.store, stored.mark if stored else None)
        if stored is not None:
            for key in self.store.stored_keys(settings.partitions):
                self.watch.expect(key, stored.mark.clock)
        self.written_ms = stored.written_ms if stored else 0
        self.told: set[tuple[str, int]] = set()
        """Id and revision of the state changes that the alert topic had when this partition was taken over."""
        self.acks = OrderedAcks()
        self.saved_through = self.watch.clock
        # Each partition saves at a moment of its own: all at once, alerts would wait for thousands of entities.
        self.saved_at = (
            time.monotonic() + settings.flush_interval_s * (number % settings.partitions) / settings.partitions
        )
        self.saving: asyncio.Task[None] | None = None
        """Until it is done, the changelog may not have what `saved_through` says."""


class WatchWorker:
    """Ties the pure watch to Faust. One agent, all partitions, one batch of frames at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slices = settings.topic(topics.SLICES.name)
        self._alerts = settings.topic(topics.ALERTS.name)
        self._partitions: dict[int, _Partition] = {}
        self._rule_file = RuleFileWatch(settings.rules, settings.budgets)
        self._frames = self._changes = self._unreadable = 0
        self.app = BatchingApp(settings, "watch", [self._slices])
        self._changelog = settings.topic(topics.WATCH_STATE.name)
        changelog = self.app.topic(self._changelog, key_type=bytes, value_type=bytes, partitions=settings.partitions)
        self._table = self.app.Table(
            "entities",
            key_type=bytes,
            value_type=bytes,
            partitions=settings.partitions,
            changelog_topic=changelog,
        )
        topic = self.app.topic(self._slices, value_type=bytes, partitions=settings.partitions)
        self.app.agent(topic, name="watch", supervisor_strategy=mode.CrashingSupervisor)(self._watch)
        self.app.on_partitions_revoked.connect(self._forget)
        self.app.on_rebalance_complete.connect(self._assigned)
        self.app.timer(1.0)(self._report)
        self.app.timer(1.0)(self._reload)

    async def _watch(self, stream: StreamT[Any]) -> None:
        async for event in cast("Stream[Any]", stream).noack().events():
            batch = event.value
            partition = self._partitions.get(batch.partition)
            if partition is None:
                partition = self._partitions[batch.partition] = _Partition(
                    self._settings,
                    self._rule_file.rules,
                    self._table.data,
                    batch.partition,
                    self.app.continuity_of(self._slices, batch.partition),
                )
                known = await read_alerts(self._settings, max(0, partition.written_ms - CLOCKS_APART_MS))
                partition.told = {(record.alert.alert_id, record.alert.revision) for record in known}
            back_to = partition.continuity.admit(batch)
            if back_to is not None:
                await self.app.consumer.seek(event.message.tp, back_to)
                continue
            partition.acks.hold(event, self._apply(partition.watch, batch.payloads))
            await self._tell(partition)
            await self._save(partition)

    def _apply(self, watch: PartitionWatch, payloads: list[bytes]) -> int | None:
        """Take in frames; returns the newest second that must be saved before they may be forgotten."""
        newest: int | None = None
        for payload in payloads:
            try:
                frame = decode_frame(payload)
            except msgspec.MsgspecError:
                self._unreadable += 1
                continue
            if frame.version != FRAME_VERSION:
                self._unreadable += 1
                continue
            watch.apply(
                frame.source_partition, frame.source_partitions, frame.closed_through, frame.views, frame.rows,
                frame.slices, frame.opened,
            )  # fmt: skip
            newest = newest_second(frame) if newest is None else max(newest, newest_second(frame))
        self._frames += len(payloads)
        return newest

    async def _tell(self, partition: _Partition) -> None:
        sends: list[Awaitable[Any]] = []
        for alert in partition.watch.advance():
            if (alert.alert_id, alert.revision) in partition.told:
                continue
            sends.append(await self._send(alert))
            self._changes += 1
        if sends:
            await asyncio.gather(*sends)

    async def _send(self, alert: Alert) -> Awaitable[Any]:
        producer = await self.app.maybe_start_producer()
        sent: Awaitable[Any] = await producer.send(
            self._alerts, alert.alert_id.encode(), encode_alert(alert), None, None, None
        )
        return sent

    async def _save(self, partition: _Partition) -> None:
        """Write changed entities and the mark from time to time; their frames go once the broker has them all."""
        if partition.saving is not None:
            if not partition.saving.done():
                return
            await partition.saving
            partition.saving = None
            partition.acks.release(partition.saved_through)
        now = time.monotonic()
        if partition.watch.clock == partition.saved_through:
            return
        if now - partition.saved_at < self._settings.flush_interval_s or partition not in self._partitions.values():
            return  # too soon; or taken away while alerts were sent: the next owner writes this part of the changelog
        mark = partition.watch.mark  # made only now: it sorts every timer
        if mark is None:
            return
        rows = partition.store.save(sorted(partition.watch.dirty), mark, time.time_ns() // 1_000_000)
        partition.watch.dirty.clear()
        partition.saved_at = now
        partition.saved_through = mark.clock
        # Not awaited here: alerts must not wait for the changelog.
        partition.saving = asyncio.create_task(self._write_changelog(partition.number, rows))

    async def _write_changelog(self, partition: int, rows: list[tuple[bytes, bytes | None]]) -> None:
        """Send rows of the table and wait until the broker has each. Faust's own way does not tell of a failure.

        Rows go by the batch: one at a time, they took as long as all the rest of watching.
        """
        producer = (await self.app.maybe_start_producer())._ensure_producer()  # noqa: SLF001 # Faust has no batches
        sends: list[Awaitable[Any]] = []
        batch = producer.create_batch()
        for key, value in rows:
            if batch.append(key=key, value=value, timestamp=None) is None:
                sends.append(await producer.send_batch(batch, self._changelog, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)  # a batch takes its first row, whatever its size
        sends.append(await producer.send_batch(batch, self._changelog, partition=partition))
        await asyncio.gather(*sends)

    async def _assigned(self, *_: Any, **__: Any) -> None:
        report_ready()

    async def _forget(self, *received: Any, **_: Any) -> None:
        revoked: set[TP] = received[-1]
        for tp in revoked:
            if tp.topic == self._slices:
                self._partitions.pop(tp.partition, None)

    async def _reload(self) -> None:
        rules = self._rule_file.changed()
        for partition in self._partitions.values() if rules is not None else ():
            partition.watch.follow(rules or ())

    async def _report(self) -> None:
        entities = sum(len(partition.store) for partition in self._partitions.values())
        report_state(
            f"{self._frames:,} frames ({self._unreadable:,} unreadable), {entities:,} entities, "
            f"{self._changes:,} alert changes"
        )


def main() -> None:
    """Run the worker until SIGTERM or SIGINT."""
    run_until_stopped(WatchWorker(current_settings()).app)


if __name__ == "__main__":
    main()
