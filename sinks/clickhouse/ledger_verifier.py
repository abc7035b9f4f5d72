"""Verifies the ledger in ClickHouse against its checkpoints, on several cores. Blocking.

Hashes are taken and costs are reckoned in these processes; the engine is asked for rows only.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import datetime
from multiprocessing import get_context
from typing import Final, NamedTuple

import msgspec

from tokentrail.garbage import collect_rarely
from tokentrail.schemas.topics import CALLS
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.integrity_tables import IntegrityTables, Window
from tokentrail.sinks.integrity.checkpoint import SignedCheckpoint
from tokentrail.sinks.integrity.checkpoint_chain import FILE, TABLE, TOPIC, check_chain
from tokentrail.sinks.integrity.checkpoint_file import CheckpointFile
from tokentrail.sinks.integrity.covered_rows import cover_rows
from tokentrail.sinks.integrity.found import Found, What
from tokentrail.sinks.integrity.log_walk import WalkReport
from tokentrail.sinks.integrity.signing_keys import PublicKey
from tokentrail.sinks.integrity.verification import (
    Batch,
    KafkaEnds,
    PartitionWalk,
    RateBook,
    Stretch,
    Verdict,
    check_ends,
    check_rates,
    conclude,
    plan_walk,
)

STEP: Final = 10_000
"""Offsets of a partition that are looked at together: 15 MB, below which each question costs too much by itself."""
MAX_ROWS: Final = 80_000
"""Of all partitions, as far as their calls are read together: 40 MB."""
SETTLES_S: Final = 3.0
"""How long the rows of calls may come behind those of the log while the ledger is being written."""


class Witnesses(msgspec.Struct, frozen=True, kw_only=True):
    """What the tables are compared with; None where nobody could be asked."""

    keys: list[PublicKey]
    file: CheckpointFile | None = None
    topic: list[SignedCheckpoint] | None = None
    """Checkpoints of the alert topic."""
    committed: dict[int, int] = {}
    """By partition: up to where the ledger told Kafka that it has everything."""
    ask_ends: Callable[[], dict[int, int]] = dict
    """Says by partition which offset Kafka gives the next record; asked behind the tables, which may grow meanwhile."""


def verify_ledger(
    settings: Settings, witnesses: Witnesses, since: datetime | None = None, processes: int = 2
) -> Verdict:
    """Verify everything, or what was signed or written since the last checkpoint before `since`.

    The ledger may go on being written meanwhile: what is there at the beginning is what is checked.

    Raises:
        EngineError: the engine cannot be reached or refuses.
        SettingsError: the checkpoint file cannot be read.
    """
    tables = IntegrityTables(settings)
    try:
        copies = _copies(tables, witnesses)
        chain = check_chain(copies, witnesses.keys, settings.topic(CALLS.name))
        partitions = tables.partitions()
        stretches = plan_walk(chain.checkpoints, partitions, since)
        ends = {stretch.partition: tables.end(stretch.partition) for stretch in stretches}
        kafka = KafkaEnds(witnesses.committed, witnesses.ask_ends())
        if any(time.time() - appended_ms / 1000 < 60 for _, appended_ms in ends.values()):  # noqa: PLR2004  # a minute
            time.sleep(SETTLES_S)
        rates = check_rates(tables.rates())
        covered = cover_rows(tables.receipts(), tables.erased_rows(), witnesses.keys, settings.clickhouse_database)
        walked = [(stretch, ends[stretch.partition][0]) for stretch in stretches]
        reports = _walk_all(_Task(settings, walked, rates, covered.by_partition), processes)
        found = [
            *chain.found,
            *rates.found,
            *covered.found,
            *_told_of_copies(copies),
            *check_ends(kafka, {at: end[0] for at, end in ends.items()}),
        ]
        for stretch in stretches:
            found += _orphans(tables, stretch.partition, max(ends[stretch.partition][0], stretch.first_offset - 1, 0))
    finally:
        tables.close()
    return conclude(reports, chain.checkpoints, found)


class _Task(NamedTuple):
    settings: Settings
    stretches: list[tuple[Stretch, int]]
    """With the last offset that is looked at."""
    rates: RateBook
    erased: dict[int, dict[int, set[bytes]]]


def _walk_all(whole: _Task, processes: int) -> list[WalkReport]:
    # The longest first and in turn: each process gets about as much.
    ordered = sorted(whole.stretches, key=lambda one: one[0].first_offset - one[1])
    count = max(1, min(processes, len(ordered)))
    tasks = [whole._replace(stretches=ordered[number::count]) for number in range(count)]
    if count == 1:
        return _walk(tasks[0])
    # A copy of a process that has one thread of ours is there at once; a new one imports for a second or more.
    forks = sys.platform == "linux" and threading.active_count() == 1
    with ProcessPoolExecutor(count, get_context("fork" if forks else "spawn"), collect_rarely) as pool:
        return [report for reports in pool.map(_walk, tasks) for report in reports]


def _walk(task: _Task) -> list[WalkReport]:
    """Walk some partitions, side by side."""
    tables = IntegrityTables(task.settings)
    walks = {
        stretch.partition: PartitionWalk(stretch, task.rates, task.erased.get(stretch.partition))
        for stretch, _ in task.stretches
    }
    rest = {stretch.partition: Window(stretch.first_offset, last) for stretch, last in task.stretches}
    try:
        while rest := {partition: window for partition, window in rest.items() if window.first <= window.last}:
            step = max(1, min(STEP, MAX_ROWS // len(rest)))
            windows = {at: Window(one.first, min(one.first + step - 1, one.last)) for at, one in rest.items()}
            for partition, batch in _ahead(tables.windows(windows)):
                first, last = windows[partition].last + 1, rest[partition].last
                if not batch.log.num_rows and not batch.calls.num_rows and first <= last:
                    # Kafka may have let go of millions of offsets before the ledger began.
                    found = tables.next_stored(partition, first, last)
                    first = last + 1 if found is None else found
                walks[partition].add(batch)
                rest[partition] = Window(first, last)
    finally:
        tables.close()
    return [walk.finish() for walk in walks.values()]


def _ahead(batches: Iterator[tuple[int, Batch]]) -> Iterator[tuple[int, Batch]]:
    """Read the next while one is looked at."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _copies(tables: IntegrityTables, witnesses: Witnesses) -> dict[str, list[SignedCheckpoint]]:
    """Read the table behind the copies: what was made in between is in the table and not missing from it."""
    copies: dict[str, list[SignedCheckpoint]] = {}
    if witnesses.topic is not None:
        copies[TOPIC] = witnesses.topic
    file = witnesses.file.read() if witnesses.file is not None else []
    table = tables.checkpoints()
    if witnesses.file is not None and file:
        if _newest(file) < _newest(table):
            file = [one for one in witnesses.file.read() if _newest([one]) <= _newest(table)]
        copies[FILE] = file
    return {**copies, TABLE: table}


def _newest(checkpoints: Iterable[SignedCheckpoint]) -> int:
    return max((content.number for one in checkpoints if (content := one.read()) is not None), default=0)


def _told_of_copies(copies: dict[str, list[SignedCheckpoint]]) -> Iterator[Found]:
    """Say what nothing was compared with: then an older copy of the whole database looks as good as this one."""
    if not any(copies.values()):
        detail = "there are none: nothing but the producers' chains says what the log must hold"
        yield Found(what=What.UNSIGNED, where=TABLE, detail=detail, note=True)
    elif not copies.get(FILE) and not copies.get(TOPIC):
        detail = "no copy outside of ClickHouse was compared: an older copy of the whole database would not show"
        yield Found(what=What.NOT_CHECKED, where=TABLE, detail=detail, note=True)


def _orphans(tables: IntegrityTables, partition: int, last_offset: int) -> list[Found]:
    """Find calls behind the log's end; asked twice, because a writer may be just now writing both."""
    first = tables.calls_behind(partition, last_offset)
    if not first:
        return []
    time.sleep(SETTLES_S)
    stayed = sorted(set(first) & set(tables.calls_behind(partition, last_offset)))
    return [
        Found(
            what=What.ADDED,
            where="calls",
            partition=partition,
            offset=offset,
            detail="has a row, event_log has no such record",
        )
        for offset in stayed
    ]
