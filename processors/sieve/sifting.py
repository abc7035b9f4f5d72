"""Sifting: a log is read once, before it is replayed, to find out for whom which rules can fire.

Each process adds up the calls of its partitions into files, which takes little memory whatever the length of the log;
what is in the files is then looked at view by view. Only the log as it was then is sifted: who replays it must leave
out what has been appended since.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.log_source import LogSource
from tokentrail.processors.price_sources import open_price_book
from tokentrail.processors.process_group import Post, ProcessGroup, Report, Send
from tokentrail.processors.replay_parts import join_spans
from tokentrail.processors.sieve.admission import Survivors, ViewSurvivors
from tokentrail.processors.sieve.bounds import ViewSieve, plan_sieve
from tokentrail.processors.sieve.finding import find_survivors
from tokentrail.processors.sieve.tally import SieveTally, Table, join_tables, table_type
from tokentrail.processors.slicing import PartitionSlicer, RecordBatch
from tokentrail.processors.tally_plan import plan_tallies
from tokentrail.schemas.rules import Rule
from tokentrail.settings import Settings

SHARD_ROWS: Final = 3_000_000
"""Rows that are looked at together, some 200 MB; entities are dealt out to as many shards as that takes."""
_BUFFER_BYTES: Final = 1 << 20
_NO_VIEWS: Final = plan_tallies(())


class Sifted(NamedTuple):
    """What a log's sieve has left, and the log as it was: the last offset of each partition."""

    survivors: Survivors
    last_offsets: dict[int, int]


class _Task(msgspec.Struct, frozen=True):
    settings: Settings
    rules: list[Rule]
    source: LogSource
    shares: list[list[int]]
    directory: Path


class _Sifting(Report, array_like=True, kw_only=True):
    last_offsets: dict[int, int] = msgspec.field(default_factory=dict)
    span_s: tuple[int, int] = (-1, -1)


def sift_log(
    rules: Sequence[Rule],
    source: LogSource,
    settings: Settings,
    shares: list[list[int]],
    note: Callable[[float], None],
) -> Sifted:
    """Read a log, a process for each share of its partitions. Blocking; `note` gets how much of it is read.

    Raises:
        TokentrailError: the log cannot be read, or a process has ended before its time.
    """
    fractions = dict.fromkeys(range(len(shares)), 0.0)
    last_offsets: dict[int, int] = {}
    spans: list[tuple[int, int]] = []
    with tempfile.TemporaryDirectory(prefix="tokentrail-sieve-") as directory:
        task = _Task(settings, list(rules), source, shares, Path(directory))
        with ProcessGroup(_sift_share, task, len(shares), _Sifting) as group:
            for number, report in group.reports():
                fractions[number] = report.fraction
                note(min(fractions.values()))
                last_offsets |= report.last_offsets
                spans.append(report.span_s)
        span_s = join_spans(spans) or (0, 0)
        sieves = enumerate(plan_sieve(rules))
        found = {sieve.plan.view.name: _look_at(task, view, sieve, span_s) for view, sieve in sieves}
    return Sifted(found, last_offsets)


def cut_batch(batch: RecordBatch, last_offset: int) -> RecordBatch | None:
    """Return the records of a batch up to an offset; None if there are none."""
    if not batch.offsets or batch.offsets[-1] <= last_offset:
        return batch if batch.offsets else None
    kept = sum(1 for offset in batch.offsets if offset <= last_offset)
    if not kept:
        return None
    return RecordBatch(batch.partition, batch.offsets[:kept], batch.timestamps_ms[:kept], batch.payloads[:kept])


def _sift_share(task: _Task, number: int, _: Post, send: Send) -> None:
    """Run one process."""
    last_offsets: dict[int, int] = {}
    with ExitStack() as stack:
        sieves = plan_sieve(task.rules)
        files = [
            stack.enter_context(_path(task, view, number).open("wb", buffering=_BUFFER_BYTES))
            for view in range(len(sieves))
        ]

        def write(view: int, table: Table) -> None:
            files[view].write(table.tobytes())

        share, lateness_ms = task.shares[number], task.settings.allowed_lateness_ms
        slicers = {partition: PartitionSlicer(partition, _NO_VIEWS, lateness_ms) for partition in share}
        tally = SieveTally(sieves, CostMeter(open_price_book(task.settings)), write)
        for batch in task.source.read(share) if share else ():
            slicers[batch.partition].add(batch)
            tally.add(slicers[batch.partition].release())
            last_offsets[batch.partition] = batch.offsets[-1]
            send(_Sifting(fraction=task.source.fraction))
        for slicer in slicers.values():
            tally.add(slicer.release(everything=True))
        tally.flush()
    send(_Sifting(fraction=1.0, is_last=True, last_offsets=last_offsets, span_s=tally.span_s or (-1, -1)))


def _look_at(task: _Task, view: int, sieve: ViewSieve, span_s: tuple[int, int]) -> ViewSurvivors:
    kind = table_type(sieve)
    paths = [_path(task, view, number) for number in range(len(task.shares))]
    pieces = [np.memmap(path, kind, mode="r") for path in paths if path.stat().st_size]
    shards = max(1, -(-sum(map(len, pieces)) // SHARD_ROWS))
    return find_survivors(sieve, (_take_shard(sieve, pieces, shards, number) for number in range(shards)), span_s)


def _take_shard(sieve: ViewSieve, pieces: Sequence[Table], shards: int, number: int) -> Table:
    if shards == 1:
        return join_tables(sieve, pieces)
    # A code's lowest bit is always set.
    return join_tables(
        sieve, [piece[(piece["code"] >> np.uint64(1)) % np.uint64(shards) == number] for piece in pieces]
    )


def _path(task: _Task, view: int, number: int) -> Path:
    return task.directory / f"{view}-{number}.rows"
