"""When events reach the broker: after a small delay, in order per producer; and the batches they come in.

A batch's `hashes` stand for the SHA-256 of each event's bytes: they are its producer's next `prev_hash`.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tokentrail.processors.simulation.events import Built
from tokentrail.processors.slicing import EventBatch

_LEAST_DELAY_S: Final = 0.004
_DELAY: Final = (0.025, 0.9)
"""Beyond the least: median, and sigma of the logarithm."""
MAX_DELAY_S: Final = 3.0


class _Waiting(msgspec.Struct):
    """Events on their way. Columns of equal length."""

    arrivals: NDArray[np.float64]
    partitions: NDArray[Any]
    events: NDArray[Any]
    hashes: NDArray[Any]


class Arrivals:
    """Delays events and cuts each partition into batches of `batch_s` seconds of arrival."""

    def __init__(self, partitions: NDArray[Any], count: int, start_s: float, batch_s: float) -> None:
        self._partitions = partitions
        self._last = np.zeros(len(partitions))
        self._offsets = [0] * count
        self._start_s = start_s
        self._batch_s = batch_s
        self._waiting = _Waiting(np.zeros(0), np.zeros(0, np.int64), np.empty(0, object), np.empty(0, object))

    def admit(self, built: Built, until_s: float, rng: np.random.Generator) -> Iterator[EventBatch]:
        """Take in events, and yield batches of all that has arrived before a moment, in order of arrival."""
        producers, times = built.producers, built.times_s
        median, sigma = _DELAY
        delays = _LEAST_DELAY_S + np.minimum(median * np.exp(sigma * rng.standard_normal(len(times))), MAX_DELAY_S)
        arrivals = self._in_order(producers, times + delays)
        waiting = _Waiting(
            np.concatenate([self._waiting.arrivals, arrivals]),
            np.concatenate([self._waiting.partitions, self._partitions[producers]]),
            np.concatenate([self._waiting.events, built.events]),
            np.concatenate([self._waiting.hashes, built.hashes]),
        )
        slots = np.floor(waiting.arrivals / self._batch_s).astype(np.int64)
        order = np.lexsort((waiting.arrivals, waiting.partitions, slots))
        here = waiting.arrivals[order] < until_s
        self._waiting = _select(waiting, order[~here])
        yield from self._cut(_select(waiting, order[here]), slots[order[here]])

    def _in_order(self, producers: NDArray[Any], arrivals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Let nobody overtake: a producer's events arrive in the order in which they were made."""
        order = np.argsort(producers, kind="stable")
        own = producers[order]
        raised = np.maximum(arrivals[order], self._last[own])
        far = own * 1e9  # keeps one producer's arrivals apart from the next one's in a single running maximum
        raised = np.maximum.accumulate(raised + far) - far
        ordered = np.empty_like(raised)
        ordered[order] = raised
        np.maximum.at(self._last, producers, ordered)
        return ordered

    def _cut(self, waiting: _Waiting, slots: NDArray[Any]) -> Iterator[EventBatch]:
        if not len(slots):
            return
        stamps = np.floor((waiting.arrivals + self._start_s) * 1000).astype(np.int64).tolist()
        changes = np.flatnonzero((np.diff(slots) != 0) | (np.diff(waiting.partitions) != 0)) + 1
        edges = [0, *changes.tolist(), len(slots)]
        for begin, end in pairwise(edges):
            partition = int(waiting.partitions[begin])
            offset = self._offsets[partition]
            self._offsets[partition] = offset + end - begin
            yield EventBatch(
                partition,
                range(offset, offset + end - begin),
                stamps[begin:end],
                waiting.events[begin:end].tolist(),
                waiting.hashes[begin:end].tolist(),
            )


def _select(waiting: _Waiting, rows: NDArray[Any]) -> _Waiting:
    return _Waiting(
        waiting.arrivals[rows],
        waiting.partitions[rows],
        waiting.events[rows],
        waiting.hashes[rows],
    )
