"""Windows: a sliding sum over the last N seconds of event time, and the tumbling sums that baselines learn from."""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Final
from zlib import crc32

import msgspec

from tokentrail.processors.extras import EXTRAS
from tokentrail.processors.latency_sketch import Sketch
from tokentrail.processors.metrics import DERIVED, measure_of, sums_of
from tokentrail.schemas.rules import Metric
from tokentrail.schemas.slices import SUMS

BUCKET_S: Final = 5
MAX_BUCKETS: Final = 60
"""Resolution: a window covers N seconds and the bucket that is being filled; long windows have longer buckets, so that
a window never holds many more of them."""
MAX_COUNTED_BUCKETS: Final = 20
"""Quantiles are read once a bucket, and reading one costs more than all else that a second costs."""
_PAIR: Final = 2
OBSERVED: Final = (*SUMS, *DERIVED)
"""The sums of one observed second, in order: what rows carry, and what `watch` adds to them."""
MAX_UNMERGED: Final = 64
"""Extras of a bucket that wait to be merged."""
LARGEST: Final = "largest"
GROWTH: Final = "growth"
"""In windows it is what the entity's state makes of the calls' growth: a number, of which the newest counts."""
_PLAIN: Final = frozenset((LARGEST, GROWTH))


class WindowPlan:
    """How one metric is summed over one width; rules on one view that need the same share the window."""

    def __init__(self, metric: Metric, width_s: int, *, learned: bool = False, sparse: bool = False) -> None:
        names = sums_of(metric)
        self.width_s = width_s
        self.names = names
        self.pair = len(names) == _PAIR
        self.calls_at = len(names) - 1
        self.extra = measure_of(metric).extra
        self.counted = measure_of(metric).quantile is not None
        """Its extras are sketches, whose counts are added up as they come and taken off as they go."""
        most = MAX_COUNTED_BUCKETS if self.counted else MAX_BUCKETS
        self.bucket_s = max(BUCKET_S, -(-width_s // (most * BUCKET_S)) * BUCKET_S)
        self.learned = learned
        """Whether anybody learns from its tumbling windows."""
        self.sparse = sparse and self.pair
        """Seconds that add nothing to the metric's one sum are left out: nobody asks how many calls there were."""
        self.key = crc32(f"{width_s}:{metric}".encode())
        indices = [OBSERVED.index(name) for name in names]
        self.pick: Callable[[Sequence[int]], Any] = (
            itemgetter(*indices) if len(indices) > 1 else lambda sums: (sums[indices[0]],)
        )


class Window(msgspec.Struct, array_like=True, gc=False):
    """One entity's sums over a plan's width. Sparse: seconds without calls take no room.

    Add and read in order of event time only. Each operation is O(1) amortised.
    """

    totals: list[int]
    buckets: list[list[Any]]
    """[start, sums, extras not yet merged], oldest first."""
    tumbling_index: int = -1
    """Which tumbling window (second // width_s) `tumbling` is summing; -1 before the first call."""
    tumbling: list[int] = []
    tumbling_extras: list[Any] = []
    counts: dict[int, int] = {}
    """The window's sketch, if its plan is counted."""

    def add(self, plan: WindowPlan, second: int, sums: Sequence[int], extra: Any) -> "Ended | None":
        """Add one second. Returns the tumbling window that ended before it, if somebody learns from it and one did."""
        buckets = self.buckets
        start = second - second % plan.bucket_s
        if buckets and buckets[-1][0] == start:
            bucket = buckets[-1]
            kept = bucket[1]
            if plan.pair:
                kept[0] += sums[0]
                kept[1] += sums[1]
            else:
                _accumulate(kept, sums)
            if extra is not None:
                _gather(plan.extra, bucket[2], extra)
        else:
            if buckets and buckets[0][0] < start - plan.width_s:
                self.slide(plan, second)
            buckets.append([start, list(sums), [] if extra is None else [extra]])
        totals = self.totals
        if plan.pair:  # as most are: half the time of the loop
            totals[0] += sums[0]
            totals[1] += sums[1]
        else:
            _accumulate(totals, sums)
        if plan.counted and extra is not None:
            _count(self.counts, extra, 1)
        return self._tumble(plan, second, sums, extra) if plan.learned else None

    def slide(self, plan: WindowPlan, second: int) -> None:
        """Forget what is older than the window that ends with `second`."""
        oldest_start = second - second % plan.bucket_s - plan.width_s
        gone = 0
        totals = self.totals
        for bucket in self.buckets:
            if bucket[0] >= oldest_start:
                break
            gone += 1
            for index, value in enumerate(bucket[1]):
                totals[index] -= value
            for extra in bucket[2] if plan.counted else ():
                _count(self.counts, extra, -1)
        if gone:
            del self.buckets[:gone]

    def merged_extra(self, plan: WindowPlan) -> Any:
        """Return the window's extra, merged; None if there is none."""
        if plan.counted:
            return dict(sorted(self.counts.items())) if self.counts else None
        values = [value for bucket in self.buckets for value in bucket[2]]
        return merge_extras(plan.extra, values) if values else None

    def _tumble(self, plan: WindowPlan, second: int, sums: Sequence[int], extra: Any) -> "Ended | None":
        index = second // plan.width_s
        if index == self.tumbling_index:
            _accumulate(self.tumbling, sums)
            if extra is not None:
                _gather(plan.extra, self.tumbling_extras, extra)
            return None
        ended = None
        if self.tumbling_index >= 0:
            extras = self.tumbling_extras
            merged = merge_extras(plan.extra, extras) if extras else None
            ended = Ended((self.tumbling_index + 1) * plan.width_s - 1, self.tumbling, merged)
        self.tumbling_index = index
        self.tumbling = list(sums)
        self.tumbling_extras = [] if extra is None else [extra]
        return ended


class Ended(msgspec.Struct, frozen=True):
    """A tumbling window that is over."""

    last_second: int
    sums: list[int]
    extra: Any


def open_window(plan: WindowPlan) -> Window:
    """Return an empty window."""
    return Window([0] * len(plan.names), [], counts={})


def merge_extras(name: str | None, values: list[Any]) -> Any:
    """Merge extras of one name, at least one, oldest first."""
    if len(values) == 1:
        return values[0]
    if name == LARGEST:
        return max(values)
    if name == GROWTH:
        return values[-1]
    return EXTRAS[name or ""].merge(values)


def _gather(name: str | None, values: list[Any], extra: Any) -> None:
    """Add an extra to those that wait to be merged: once they are read, all together, it costs a tenth."""
    values.append(extra)
    if len(values) >= MAX_UNMERGED or name in _PLAIN:
        values[:] = [merge_extras(name, values)]


def _count(counts: dict[int, int], sketch: Sketch, sign: int) -> None:
    """Add a sketch to counts, or take it off again."""
    if isinstance(sketch, int):
        sketch = {sketch: 1}
    for bucket, count in sketch.items():
        left = counts.get(bucket, 0) + sign * count
        if left:
            counts[bucket] = left
        else:
            del counts[bucket]


def _accumulate(totals: list[int], sums: Sequence[int]) -> None:
    for index, value in enumerate(sums):
        totals[index] += value
