"""Windows: a sliding sum over the last N seconds of event time, and the tumbling sums that baselines learn from."""

from collections.abc import Callable, Sequence
from operator import add, itemgetter, sub
from typing import Any, Final
from zlib import crc32

import msgspec

from tokentrail.processors.extras import EXTRAS
from tokentrail.processors.metrics import DERIVED, measure_of, sums_of
from tokentrail.schemas.rules import Metric
from tokentrail.schemas.slices import SUMS

BUCKET_S: Final = 5
MAX_BUCKETS: Final = 60
"""Resolution: a window covers N seconds, rounded up to the next whole bucket at its old end; long windows have longer
buckets, so that a window never holds more of them."""
OBSERVED: Final = (*SUMS, *DERIVED)
"""The sums of one observed second, in order: what rows carry, and what `watch` adds to them."""
LARGEST: Final = "largest"


class WindowPlan:
    """How one metric is summed over one width; entities that share it keep one window for all rules that use it."""

    def __init__(self, metric: Metric, width_s: int) -> None:
        names = sums_of(metric)
        self.width_s = width_s
        self.bucket_s = max(BUCKET_S, -(-width_s // (MAX_BUCKETS * BUCKET_S)) * BUCKET_S)
        self.names = names
        self.calls_at = len(names) - 1
        self.extra = measure_of(metric).extra
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
    """[start, sums, extra], oldest first."""
    tumbling_index: int = -1
    """Which tumbling window (second // width_s) `tumbling` is summing; -1 before the first call."""
    tumbling: list[int] = []
    tumbling_extra: Any = None

    def add(self, plan: WindowPlan, second: int, sums: Sequence[int], extra: Any) -> "Ended | None":
        """Add one second. Returns the tumbling window that ended before it, if one did."""
        buckets = self.buckets
        if buckets and buckets[0][0] <= second + 1 - plan.width_s - plan.bucket_s:
            self.slide(plan, second)
        start = second - second % plan.bucket_s
        if buckets and buckets[-1][0] == start:
            bucket = buckets[-1]
            bucket[1] = list(map(add, bucket[1], sums))
            if extra is not None:
                bucket[2] = extra if bucket[2] is None else merge_extra(plan.extra, [bucket[2], extra])
        else:
            buckets.append([start, sums, extra])
        self.totals = list(map(add, self.totals, sums))
        return self._tumble(plan, second, sums, extra)

    def slide(self, plan: WindowPlan, second: int) -> None:
        """Forget what is older than the window that ends with `second`."""
        oldest_start = second + 1 - plan.width_s - plan.bucket_s
        gone = 0
        for bucket in self.buckets:
            if bucket[0] > oldest_start:
                break
            gone += 1
            self.totals = list(map(sub, self.totals, bucket[1]))
        if gone:
            del self.buckets[:gone]

    def merged_extra(self, plan: WindowPlan) -> Any:
        """Return the window's extra, merged; None if there is none."""
        values = [bucket[2] for bucket in self.buckets if bucket[2] is not None]
        return merge_extra(plan.extra, values) if values else None

    def _tumble(self, plan: WindowPlan, second: int, sums: Sequence[int], extra: Any) -> "Ended | None":
        index = second // plan.width_s
        if index == self.tumbling_index:
            self.tumbling = list(map(add, self.tumbling, sums))
            if extra is not None:
                kept = self.tumbling_extra
                self.tumbling_extra = extra if kept is None else merge_extra(plan.extra, [kept, extra])
            return None
        ended = None
        if self.tumbling_index >= 0:
            ended = Ended((self.tumbling_index + 1) * plan.width_s - 1, self.tumbling, self.tumbling_extra)
        self.tumbling_index = index
        self.tumbling = list(sums)
        self.tumbling_extra = extra
        return ended


class Ended(msgspec.Struct, frozen=True):
    """A tumbling window that is over."""

    last_second: int
    sums: list[int]
    extra: Any


def open_window(plan: WindowPlan) -> Window:
    """Return an empty window."""
    return Window([0] * len(plan.names), [])


def merge_extra(name: str | None, values: list[Any]) -> Any:
    """Merge extras of one name, at least one."""
    if len(values) == 1:
        return values[0]
    if name == LARGEST:
        return max(values)
    return EXTRAS[name or ""].merge(values)
