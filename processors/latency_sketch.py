"""Latency sketches: how many durations fell into each bucket of a logarithmic scale. Pure.

After DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch", VLDB 2019): every bucket is
`GROWTH` times as wide as the one before it, so that a quantile is wrong by at most `RELATIVE_ERROR`, however sketches
were merged. Bounds are a table made by multiplication alone: a logarithm may differ in its last digit between machines,
and the same log must give the same bytes everywhere.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate, repeat
from operator import mul
from typing import Final

RELATIVE_ERROR: Final = 0.02
GROWTH: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
SMALLEST_MS: Final = 0.001
"""Shorter durations count as 0."""
_BOUNDS_MS: Final = tuple(accumulate(repeat(GROWTH, 692), mul, initial=SMALLEST_MS))
"""Upper ends of the buckets, up to the 1e9 ms that the schema allows."""
_OFFSET: Final = 288
"""The bucket of 100 ms is 0: msgpack writes what lies between 30 ms and 16 s as one byte."""

Sketch = int | dict[int, int]
"""Bucket → how many durations, by bucket; a bucket alone stands for one duration in it."""


def bucket_of(duration_ms: float) -> int:
    """Return the bucket of a duration: the sketch of that duration alone."""
    return bisect_left(_BOUNDS_MS, duration_ms) - _OFFSET


def merge_sketches(sketches: list[Sketch]) -> Sketch:
    """Return the sketch of everything in `sketches` (at least one): the same for any order and any grouping."""
    if len(sketches) == 1:
        return sketches[0]
    counts: dict[int, int] = {}
    count_of = counts.get
    for sketch in sketches:
        if type(sketch) is int:
            counts[sketch] = count_of(sketch, 0) + 1
        else:
            for bucket, count in sketch.items():  # type: ignore[union-attr] # a type's identity is 3 times faster to ask
                counts[bucket] = count_of(bucket, 0) + count
    return dict(sorted(counts.items()))


def quantile(sketch: Sketch, share: float) -> float:
    """Return the duration (ms) that `share` of all durations do not exceed: that of rank ⌊share · (n - 1)⌋ from 0."""
    if isinstance(sketch, int):
        return _middle_ms(sketch)
    rank = int(share * (sum(sketch.values()) - 1))
    return _middle_ms(_bucket_at(sketch.items(), rank))


def _bucket_at(counts: Iterable[tuple[int, int]], rank: int) -> int:
    bucket = 0
    seen = 0
    for bucket, count in counts:  # noqa: B007 # the last one is the answer
        seen += count
        if seen > rank:
            break
    return bucket


def _middle_ms(bucket: int) -> float:
    """The value that is equally wrong, relatively, for both ends of the bucket."""
    index = bucket + _OFFSET
    if index <= 0:
        return 0.0
    return 2 * _BOUNDS_MS[min(index, len(_BOUNDS_MS) - 1)] / (1 + GROWTH)
