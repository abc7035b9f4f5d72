"""Windows: a sliding sum over the last N seconds of event time, and the tumbling sums that baselines learn from."""

from typing import Final

import msgspec

BUCKET_S: Final = 5
"""Resolution of a sliding window: it covers N seconds, rounded up to the next whole bucket at its old end."""

Sums = tuple[int, int, int, int]
"""calls, errors, input_tokens, output_tokens: `tokentrail.schemas.slices.METRICS`."""


class Window(msgspec.Struct, array_like=True, kw_only=True):
    """One entity's sums over `width_s` seconds. Sparse: seconds without calls take no room.

    Add and read in order of event time only. Each operation is O(1) amortised.
    """

    width_s: int
    totals: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0, 0])
    buckets: list[list[int]] = msgspec.field(default_factory=list)
    """[start, calls, errors, input_tokens, output_tokens], oldest first."""
    tumbling_index: int = -1
    """Which tumbling window (second // width_s) `tumbling` is summing; -1 before the first call."""
    tumbling: list[int] = msgspec.field(default_factory=lambda: [0, 0, 0, 0])

    def add(self, second: int, sums: Sums) -> Sums | None:
        """Add one second. Returns the sums of the tumbling window that ended before it, if one did."""
        self.slide(second)
        start = second - second % BUCKET_S
        calls, errors, input_tokens, output_tokens = sums
        if self.buckets and self.buckets[-1][0] == start:
            bucket = self.buckets[-1]
            bucket[1] += calls
            bucket[2] += errors
            bucket[3] += input_tokens
            bucket[4] += output_tokens
        else:
            self.buckets.append([start, calls, errors, input_tokens, output_tokens])
        _accumulate(self.totals, sums)
        return self._tumble(second, sums)

    def slide(self, second: int) -> None:
        """Forget what is older than the window that ends with `second`."""
        oldest_start = second + 1 - self.width_s - BUCKET_S
        gone = 0
        totals = self.totals
        for bucket in self.buckets:
            if bucket[0] > oldest_start:
                break
            gone += 1
            totals[0] -= bucket[1]
            totals[1] -= bucket[2]
            totals[2] -= bucket[3]
            totals[3] -= bucket[4]
        if gone:
            del self.buckets[:gone]

    def _tumble(self, second: int, sums: Sums) -> Sums | None:
        index = second // self.width_s
        ended: Sums | None = None
        if index != self.tumbling_index:
            if self.tumbling_index >= 0:
                calls, errors, input_tokens, output_tokens = self.tumbling
                ended = (calls, errors, input_tokens, output_tokens)
            self.tumbling_index = index
            self.tumbling = [0, 0, 0, 0]
        _accumulate(self.tumbling, sums)
        return ended


def _accumulate(totals: list[int], sums: Sums) -> None:
    totals[0] += sums[0]
    totals[1] += sums[1]
    totals[2] += sums[2]
    totals[3] += sums[3]
