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
WORTH_SIFTING: Final = 200_000
"""Records from which on reading the log twice is faster: first to find out for whom a rule can fire at all."""

Note = Callable[[float], None]


class Effort(msgspec.Struct, frozen=True):
    """How a replay is run; its alerts are the same whichever way."""

    processes: int = 0
    """0: one for each core, where that is worth it."""
    sift: bool | None = None
    """Whether the log is read twice, first to find out for whom a rule can fire; None: where that is worth it."""


class Told(msgspec.Struct):
    """What a replay has told beside its alerts; complete at its end."""

    counts: SlicerCounts = msgspec.field(default_factory=SlicerCounts)
    entities: dict[str, int] = {}
    """How many entities each view has had."""
    span_s: tuple[int, int] | None = None
    """The first and the last second in which a call counted."""


def replay_stretch(
    settings: "Settings", rules: "list[Rule]", stretch: "Stretch", effort: Effort, told: Told
) -> "Iterator[Alert]":
    """Yield the state changes from `stretch.begin` on, in order; fills `told` at the end.

    Raises:
        TokentrailError: the log cannot be read.
    """
    counts = stretch.source.count_by_partition()
    records = sum(counts.values())
    processes = effort.processes or (available_cores() if records >= WORTH_A_PROCESS else 1)
    sift = records >= WORTH_SIFTING if effort.sift is None else effort.sift
    with _progress() as note:
        if processes == 1 and not sift:
            alerts = _run_alone(settings, rules, stretch, told, note, sorted(counts))
        else:
            alerts = _run_together(settings, rules, stretch, Effort(processes, sift), told, note)
        for alert in alerts:
            if stretch.begin is None or alert.occurred_at >= stretch.begin:
                yield alert


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run_alone(  # noqa: PLR0913, PLR0917 - as `_run_together`
    settings: "Settings",
    rules: "list[Rule]",
    stretch: "Stretch",
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
    effort: Effort,
    told: Told,
    note: Note,
) -> "Iterator[Alert]":
    from tokentrail.processors.replay_processes import ProcessReplay

    replay = ProcessReplay(rules, stretch.source, settings, effort.processes, sift=bool(effort.sift))
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
