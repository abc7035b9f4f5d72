"""Replay: a stretch of the log through the same slicing and watching as live, without Kafka. Pure.

The alerts are those that live detection raises over the same records under the same rules, from the first record on.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.slicing import ClosedSlices, EventBatch, PartitionSlicer, RecordBatch, SlicerCounts
from tokentrail.processors.tally_plan import plan_tallies
from tokentrail.processors.watching import PartitionWatch
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.rules import Rule


class Replay:
    """One replay. `partitions` are the source partitions that the log holds; detection waits for all of them."""

    def __init__(
        self, rules: Sequence[Rule], partitions: Sequence[int], allowed_lateness_ms: int, cost: CostMeter | None = None
    ) -> None:
        plan = plan_tallies(rules)
        self._views = plan.frame_views
        self._slicers = {p: PartitionSlicer(p, plan, allowed_lateness_ms, cost) for p in partitions}
        self._watch = PartitionWatch(rules, {})

    def run(self, batches: Iterable[RecordBatch | EventBatch], until: datetime | None = None) -> Iterator[Alert]:
        """Yield the alerts' state changes, ordered by event time.

        With `until`, time goes on to there after the last record, so that what has calmed down is resolved.
        """
        for batch in batches:
            slicer = self._slicers[batch.partition]
            if isinstance(batch, RecordBatch):
                slicer.add(batch)
            else:
                slicer.add_events(batch)
            closed = slicer.close()
            if closed is not None:
                yield from self._observe(closed)
        if until is not None:
            through = int(until.timestamp()) - 1
            for slicer in self._slicers.values():
                closed = slicer.close_through(through)
                if closed is not None:
                    yield from self._observe(closed)

    def counts(self) -> SlicerCounts:
        """Return what happened to the records, over all partitions."""
        total = SlicerCounts()
        for slicer in self._slicers.values():
            for name in SlicerCounts.__struct_fields__:
                setattr(total, name, getattr(total, name) + getattr(slicer.counts, name))
        return total

    def _observe(self, closed: ClosedSlices) -> Iterator[Alert]:
        self._watch.apply(
            closed.source_partition, len(self._slicers), closed.closed_through, self._views, closed.rows, closed.slices
        )
        yield from self._watch.advance()
