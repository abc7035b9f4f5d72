"""Running one replay for the command line: in one process or several, with a progress bar where somebody looks."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from tokentrail.cli.output import err
from tokentrail.processors.slicing import SlicerCounts

if TYPE_CHECKING:
    from tokentrail.cli.log_sources import Stretch
    from tokentrail.processors.slicing import RecordBatch
    from tokentrail.schemas.alerts import Alert
    from tokentrail.schemas.rules import Rule
    from tokentrail.settings import Settings

WORTH_A_PROCESS: Final = 400_000
"""Records from which on several processes are faster than one: each takes a second to start."""

Note = Callable[[float], None]


class Told(msgspec.Struct):
    """What a replay has told beside its alerts; complete at its end."""

    counts: SlicerCounts = msgspec.field(default_factory=SlicerCounts)
    entities: dict[str, int] = {}
    """How many entities each view has had."""
    span_s: tuple[int, int] | None = None
    """The first and the last second in which a call counted."""


def replay_stretch(
    settings: "Settings", rules: "list[Rule]", stretch: "Stretch", processes: int, told: Told
) -> "Iterator[Alert]":
    """Yield the state changes from `stretch.begin` on, in order; fills `told` at the end. `processes` 0: as fits.

    Raises:
        TokentrailError: the log cannot be read.
    """
    counts = stretch.source.count_by_partition()
    wanted = processes or (available_cores() if sum(counts.values()) >= WORTH_A_PROCESS else 1)
    with _progress() as note:
        run = _run_alone if wanted == 1 else _run_together
        for alert in run(settings, rules, stretch, wanted, told, note, sorted(counts)):
            if stretch.begin is None or alert.occurred_at >= stretch.begin:
                yield alert


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run_alone(  # noqa: PLR0913, PLR0917 - as `_run_together`
    settings: "Settings",
    rules: "list[Rule]",
    stretch: "Stretch",
    _: int,
    told: Told,
    note: Note,
    partitions: list[int],
) -> "Iterator[Alert]":
    from tokentrail.garbage import collect_rarely
    from tokentrail.processors.call_cost import CostMeter
    from tokentrail.processors.price_sources import open_price_book
    from tokentrail.processors.replay import Replay

    def batches() -> "Iterator[RecordBatch]":
        for batch in stretch.source.read(partitions):
            yield batch
            note(stretch.source.fraction)

    if not partitions:
        return
    collect_rarely()
    replay = Replay(rules, partitions, settings.allowed_lateness_ms, CostMeter(open_price_book(settings)))
    yield from replay.run(batches(), stretch.until, to_end=stretch.until is None)
    told.counts, told.entities, told.span_s = replay.counts(), dict(replay.entities), replay.span_s


def _run_together(  # noqa: PLR0913, PLR0917 - as `_run_alone`
    settings: "Settings",
    rules: "list[Rule]",
    stretch: "Stretch",
    processes: int,
    told: Told,
    note: Note,
    _: list[int],
) -> "Iterator[Alert]":
    from tokentrail.processors.replay_processes import ProcessReplay

    replay = ProcessReplay(rules, stretch.source, settings, processes)
    yield from replay.run(stretch.until, to_end=stretch.until is None, note=note)
    told.counts, told.entities, told.span_s = replay.counts(), dict(replay.entities), replay.span_s


@contextmanager
def _progress() -> Iterator[Note]:
    """A bar on standard error, if that is a terminal; it is gone in the end."""
    if not err.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("replaying"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda fraction: progress.update(task, completed=fraction)
