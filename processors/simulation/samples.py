"""The trace's calls as arrays, to be drawn from: lengths of prompts and answers, and how calls crowd in time."""

from functools import cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from tokentrail.processors.simulation.trace import WORKLOADS, TraceCall, Workload, read_trace

HOUR_S = 3600.0


class Sample(msgspec.Struct, frozen=True):
    """One workload, a row per call; `offset` is its place in the hour, 0 to 1."""

    offset: NDArray[np.float64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]

    def draw(self, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return input and output tokens of calls drawn with replacement."""
        rows = rng.integers(0, len(self.offset), count)
        return self.input_tokens[rows], self.output_tokens[rows]


def read_sample(workload: Workload) -> Sample:
    """Return one workload of the shipped hour."""
    return _read_samples()[workload]


@cache
def _read_samples() -> dict[Workload, Sample]:
    calls = read_trace()  # 0.3 s
    return {workload: _tabulate([call for call in calls if call.workload == workload]) for workload in WORKLOADS}


def _tabulate(calls: list[TraceCall]) -> Sample:
    return Sample(
        np.array([call.offset_s / HOUR_S % 1 for call in calls]),
        np.array([call.input_tokens for call in calls], np.int64),
        np.array([call.output_tokens for call in calls], np.int64),
    )
