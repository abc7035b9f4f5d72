"""The Azure LLM inference trace: when each call came, and how many tokens it read and wrote."""

import csv
import gzip
import io
from datetime import datetime
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import islice
from typing import Literal

import msgspec

Workload = Literal["code", "conv"]
WORKLOADS: tuple[Workload, ...] = ("code", "conv")

_MICROSECOND_DIGITS = len("2023-11-16 18:15:46.680590")  # the trace has seven fractional digits, datetime six


class TraceCall(msgspec.Struct, frozen=True, gc=False):
    """One call of the trace. `offset_s` counts from the first call of both workloads."""

    offset_s: float
    workload: Workload
    input_tokens: int
    output_tokens: int


def read_trace(limit: int | None = None) -> list[TraceCall]:
    """Read the shipped hour: both workloads merged, in the order in which the calls came; at most `limit` calls."""
    folder = files("tokentrail.processors.simulation") / "data"
    rows = sorted(row for workload in WORKLOADS for row in _read_rows(folder / f"{workload}.csv.gz", workload))
    start_s = rows[0][0]
    return [
        TraceCall(time_s - start_s, workload, input_tokens, output_tokens)
        for time_s, workload, input_tokens, output_tokens in islice(rows, limit)
    ]


def _read_rows(path: Traversable, workload: Workload) -> list[tuple[float, Workload, int, int]]:
    text = gzip.decompress(path.read_bytes()).decode()
    rows = csv.reader(io.StringIO(text))
    next(rows)
    return [
        (_parse_time(timestamp), workload, int(context_tokens), int(generated_tokens))
        for timestamp, context_tokens, generated_tokens in rows
    ]


def _parse_time(timestamp: str) -> float:
    return datetime.fromisoformat(f"{timestamp[:_MICROSECOND_DIGITS]}+00:00").timestamp()
