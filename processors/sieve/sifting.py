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

from tokentrail.errors import SourceError
from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.log_source import LogSource
from tokentrail.processors.price_sources import open_price_book
from tokentrail.processors.process_group import Post, ProcessGroup, Report, Send
from tokentrail.processors.sieve.admission import Survivors, ViewSurvivors
from tokentrail.processors.sieve.bounds import ViewSieve, plan_sieve
from tokentrail.processors.sieve.finding import LogFacts, find_survivors
from tokentrail.processors.sieve.sifter import ShareFacts, Sifter, join_facts
from tokentrail.processors.sieve.tally import Table, join_tables, table_type
from tokentrail.processors.slicing import RecordBatch
from tokentrail.processors.tally_plan import plan_tallies
from tokentrail.schemas.rules import Rule
from tokentrail.settings import Settings

SHARD_ROWS: Final = 3_000_000
"""Rows that are looked at together, some 200 MB; entities are dealt out to as many shards as that takes."""
_BUFFER_BYTES: Final = 1 << 20


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
    facts: ShareFacts | None = None


def sift_log(  # noqa: PLR0913, PLR0917 - as a replay
    rules: Sequence[Rule],
    source: LogSource,
    settings: Settings,
    shares: list[list[int]],
    through: int,
    note: Callable[[float], None],
) -> Sifted:
    """Read a log that is replayed up to a second, a process for each share of its partitions. Blocking.

    `note` gets how much of it is read.

    Raises:
        TokentrailError: the log cannot be read, or a process has ended before its time.
    """
    fractions = dict.fromkeys(range(len(shares)), 0.0)
    found: list[ShareFacts] = []
    with tempfile.TemporaryDirectory(prefix="tokentrail-sieve-") as directory:
        task = _Task(settings, list(rules), source, shares, Path(directory))
        with ProcessGroup(_sift_share, task, len(shares), _Sifting) as group:
            for number, report in group.reports():
                fractions[number] = report.fraction
                note(min(fractions.values()))
                if report.facts is not None:
                    found.append(report.facts)
        facts = join_facts(found, through)
        sieves = enumerate(plan_sieve(rules))
        survivors = {sieve.plan.view.name: _look_at(task, view, sieve, facts) for view, sieve in sieves}
    return Sifted(survivors, {partition: last for each in found for partition, last in each.last_offsets.items()})


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
    try:
        facts = _tally_share(task, number, send)
    except BrokenPipeError:
        raise  # whoever asked is gone
    except OSError as error:
        raise SourceError(
            f"{task.directory} cannot be written to ({error.strerror or error}); make room there, set TMPDIR to "
            "another directory, or replay with --no-sift."
        ) from error
    send(_Sifting(fraction=1.0, is_last=True, facts=facts))


def _tally_share(task: _Task, number: int, send: Send) -> ShareFacts:
    share = task.shares[number]
    with ExitStack() as stack:
        sieves = plan_sieve(task.rules)
        files = [
            stack.enter_context(_path(task, view, number).open("wb", buffering=_BUFFER_BYTES))
            for view in range(len(sieves))
        ]

        def write(view: int, table: Table) -> None:
            files[view].write(table.tobytes())

        cost = CostMeter(open_price_book(task.settings)) if plan_tallies(task.rules).priced else None
        sifter = Sifter(sieves, share, task.settings.allowed_lateness_ms, cost, write)
        for batch in task.source.read(share) if share else ():
            sifter.add(batch)
            send(_Sifting(fraction=task.source.fraction))
        return sifter.finish()


def _look_at(task: _Task, view: int, sieve: ViewSieve, facts: LogFacts) -> ViewSurvivors:
    kind = table_type(sieve)
    paths = [_path(task, view, number) for number in range(len(task.shares))]
    pieces = [np.memmap(path, kind, mode="r") for path in paths if path.stat().st_size]
    shards = max(1, -(-sum(map(len, pieces)) // SHARD_ROWS))
    return find_survivors(sieve, (_take_shard(sieve, pieces, shards, number) for number in range(shards)), facts)


def _take_shard(sieve: ViewSieve, pieces: Sequence[Table], shards: int, number: int) -> Table:
    if shards == 1:
        return join_tables(sieve, pieces)
    # A code's lowest bit is always set.
    return join_tables(
        sieve, [piece[(piece["code"] >> np.uint64(1)) % np.uint64(shards) == number] for piece in pieces]
    )


def _path(task: _Task, view: int, number: int) -> Path:
    return task.directory / f"{view}-{number}.rows"
