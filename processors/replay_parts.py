"""Replay, cut in two as live detection is: slicing some source partitions, watching some entities. Pure.

Frames go from one to the other, as on `llm.slices`; so the parts may be in several processes. What they tell together
is what `Replay` tells, in the same order.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final

import msgspec

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.entities import Remembered
from tokentrail.processors.frames import pack_frames
from tokentrail.processors.sieve.admission import Survivors
from tokentrail.processors.slicing import ClosedSlices, PartitionSlicer, RecordBatch, SlicerCounts
from tokentrail.processors.tally_plan import plan_tallies
from tokentrail.processors.watching import EntityKey, PartitionWatch
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.rules import Rule
from tokentrail.schemas.slices import SliceFrame

_in_order: Final = attrgetter("occurred_at", "dimension", "where", "entity", "rule", "revision")


class RoutedFrame(msgspec.Struct, frozen=True, array_like=True):
    """A frame for one watcher."""

    watcher: int
    frame: SliceFrame


class ReplaySlicing:
    """Slices some of the `sources` partitions of a log, for a number of watchers."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a slicer needs, and where it stands among the others
        self,
        rules: Sequence[Rule],
        partitions: Iterable[int],
        allowed_lateness_ms: int,
        sources: int,
        watchers: int,
        cost: CostMeter | None = None,
        survivors: Survivors | None = None,
    ) -> None:
        plan = plan_tallies(rules)
        self._views = plan.frame_views
        self._slicers = {p: PartitionSlicer(p, plan, allowed_lateness_ms, cost, survivors) for p in partitions}
        self._sources, self._watchers = sources, watchers
        self._first_second = self._newest_second = -1

    def add(self, batch: RecordBatch) -> list[RoutedFrame]:
        """Slice a batch; returns what it closed."""
        slicer = self._slicers[batch.partition]
        newest = slicer.add(batch).newest_second
        if newest is not None and newest > self._newest_second:
            self._newest_second = newest
        return self._pack(slicer.close())

    def close_through(self, second: int) -> list[RoutedFrame]:
        """Close every partition up to a second: nothing follows."""
        return [frame for slicer in self._slicers.values() for frame in self._pack(slicer.close_through(second))]

    @property
    def span_s(self) -> tuple[int, int]:
        """The first second that was closed with anything in it, and the last in which a record counted; -1: none."""
        return self._first_second, self._newest_second

    def counts(self) -> SlicerCounts:
        """Return what happened to the records, over all its partitions."""
        return add_counts(slicer.counts for slicer in self._slicers.values())

    def _pack(self, closed: ClosedSlices | None) -> list[RoutedFrame]:
        if closed is None:
            return []
        if closed.opened >= 0 and not 0 <= self._first_second <= closed.opened:
            self._first_second = closed.opened
        return [
            RoutedFrame(watcher, frame)
            for watcher, frame in pack_frames(closed, self._views, self._sources, self._watchers)
        ]


class ReplayWatching:
    """Watches the entities that are routed to one watcher."""

    def __init__(self, rules: Sequence[Rule], survivors: Survivors | None = None) -> None:
        self.entities = CountedEntities()
        self._watch = PartitionWatch(rules, self.entities, None, survivors)

    @property
    def clock(self) -> int | None:
        """Alerts of later seconds only are still to come; None before the first."""
        return self._watch.clock

    def apply(self, routed: RoutedFrame) -> None:
        """Take in a frame."""
        frame = routed.frame
        self._watch.apply(
            frame.source_partition, frame.source_partitions, frame.closed_through, frame.views, frame.rows,
            frame.slices, frame.opened,
        )  # fmt: skip

    def advance(self) -> list[Alert]:
        """Judge what can be judged; returns the state changes in order."""
        told = list(self._watch.advance())
        self._watch.dirty.clear()
        return told


class CountedEntities(dict[EntityKey, Remembered]):
    """Entities, and how many each view has had; one that was forgotten and comes again counts again."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __setitem__(self, key: EntityKey, entity: Remembered) -> None:
        if key not in self:
            self.counts[key[0]] += 1
        super().__setitem__(key, entity)


class AlertMerge:
    """Puts the state changes of several watchers, each in order, into the one order of all."""

    def __init__(self, watchers: Iterable[int]) -> None:
        self._clocks: dict[int, float] = dict.fromkeys(watchers, float("-inf"))
        self._held: list[Alert] = []

    def add(self, watcher: int, clock: float | None, alerts: Iterable[Alert]) -> list[Alert]:
        """Take in what a watcher tells up to its clock; returns what no watcher can come before any more."""
        self._held.extend(alerts)
        if clock is not None:
            self._clocks[watcher] = clock
        through = min(self._clocks.values()) + 1
        if not self._held:
            return []
        self._held.sort(key=_in_order)
        ready = sum(1 for alert in self._held if alert.occurred_at.timestamp() <= through)
        told, self._held = self._held[:ready], self._held[ready:]
        return told


def assign_partitions(counts: Mapping[int, int], processes: int) -> list[list[int]]:
    """Return the partitions of each process, so that each has about as many records; some may have none."""
    shares: list[list[int]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for partition in sorted(counts, key=lambda p: (-counts[p], p)):
        lightest = loads.index(min(loads))
        shares[lightest].append(partition)
        loads[lightest] += max(1, counts[partition])
    return [sorted(share) for share in shares]


def join_spans(spans: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the first and the last second of several spans; None if nothing counted in any."""
    known = [span for span in spans if span[0] >= 0 and span[1] >= 0]
    return (min(first for first, _ in known), max(last for _, last in known)) if known else None


def add_counts(counts: Iterable[SlicerCounts]) -> SlicerCounts:
    """Return the sum of several counts."""
    total = SlicerCounts()
    for each in counts:
        for name in SlicerCounts.__struct_fields__:
            setattr(total, name, getattr(total, name) + getattr(each, name))
    return total
