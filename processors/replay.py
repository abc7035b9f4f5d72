"""Replay: a stretch of the log through the same slicing and watching as live, without Kafka. Pure.

The alerts are those that live detection raises over the same records under the same rules, from the first record on.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.replay_parts import CountedEntities, add_counts, join_spans
from tokentrail.processors.sieve.admission import Survivors
from tokentrail.processors.slicing import ClosedSlices, EventBatch, PartitionSlicer, RecordBatch, SlicerCounts
from tokentrail.processors.tally_plan import plan_tallies
from tokentrail.processors.watching import PartitionWatch
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.rules import Rule


class Replay:
    """One replay. `partitions` are the source partitions that the log holds; detection waits for all of them."""

    def __init__(
        self,
        rules: Sequence[Rule],
        partitions: Sequence[int],
        allowed_lateness_ms: int,
        cost: CostMeter | None = None,
        survivors: Survivors | None = None,
    ) -> None:
        plan = plan_tallies(rules)
        self._views = plan.frame_views
        self._slicers = {p: PartitionSlicer(p, plan, allowed_lateness_ms, cost, survivors) for p in partitions}
        self._entities = CountedEntities()
        self._watch = PartitionWatch(rules, self._entities, survivors=survivors)
        self._first_second = self._newest_second = -1

    def run(
        self, batches: Iterable[RecordBatch | EventBatch], until: datetime | None = None, *, to_end: bool = False
    ) -> Iterator[Alert]:
        """Yield the alerts' state changes, ordered by event time, then by dimension, filter, entity and rule.

        With `until`, time goes on to there after the last record, so that what has calmed down is resolved; with
        `to_end`, to the last second that a record counted in. Without either, seconds that may yet get records are not
        judged.
        """
        for batch in batches:
            slicer = self._slicers[batch.partition]
            outcome = slicer.add(batch) if isinstance(batch, RecordBatch) else slicer.add_events(batch)
            self._newest_second = max(self._newest_second, outcome.newest_second or -1)
            closed = slicer.close()
            if closed is not None:
                yield from self._observe(closed)
        if until is not None or to_end:
            through = self._newest_second if until is None else int(until.timestamp()) - 1
            for slicer in self._slicers.values():
                closed = slicer.close_through(through)
                if closed is not None:
                    yield from self._observe(closed)

    def counts(self) -> SlicerCounts:
        """Return what happened to the records, over all partitions."""
        return add_counts(slicer.counts for slicer in self._slicers.values())

    @property
    def span_s(self) -> tuple[int, int] | None:
        """The first and the last second in which a record counted; None if none did."""
        return join_spans([(self._first_second, self._newest_second)])

    @property
    def entities(self) -> Counter[str]:
        """How many entities each view has had; one that was forgotten and came again counts again."""
        return self._entities.counts

    def _observe(self, closed: ClosedSlices) -> Iterator[Alert]:
        if closed.opened >= 0 and not 0 <= self._first_second <= closed.opened:
            self._first_second = closed.opened
        source, through = closed.source_partition, closed.closed_through
        self._watch.apply(source, len(self._slicers), through, self._views, closed.rows, closed.slices, closed.opened)
        yield from self._watch.advance()
        self._watch.dirty.clear()
