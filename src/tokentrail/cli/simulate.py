"""`tokentrail simulate`: a made-up company's traffic, with labelled incidents, to a file or to the calls topic."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tokentrail.cli.moments import parse_moment
from tokentrail.cli.output import err
from tokentrail.errors import TokentrailError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tokentrail.processors.simulation.simulation import Simulation
    from tokentrail.processors.slicing import RecordBatch

_BATCH_S: Final = 300.0
_PACED_BATCH_S: Final = 0.5
"""Of real time: a batch is published at once, so it must not hold much of it."""

_Out = Annotated[
    Path | None, typer.Option("--out", help="Write the records to this file of JSON lines; packed if it ends in .gz.")
]
_ToTopic = Annotated[bool, typer.Option("--to-topic", help="Publish the records to the topic of the calls.")]
_Labels = Annotated[Path | None, typer.Option(help="Write to this file, as JSON, which incidents are in it.")]
_Kinds = Annotated[
    str | None,
    typer.Option(
        "--incidents",
        help="Only these kinds, parted by commas, or `none`; each comes at least once, with `all` each there is.",
    ),
]
_Speed = Annotated[
    float,
    typer.Option(
        min=0, help="With --to-topic: 1 happens now, as fast as it happens; 60 sixty times as fast; 0 at once."
    ),
]
_Start = Annotated[
    str | None, typer.Option(help="When it begins; by default so that it ends now, or with --speed 1 begins now.")
]


def simulate(  # noqa: PLR0913, PLR0917 - the options of a command
    seed: Annotated[int, typer.Option(min=0, help="The same seed, and the same start, make the same events.")] = 1,
    days: Annotated[float, typer.Option(min=0.01, max=366, help="How long.")] = 1.0,
    calls_per_day: Annotated[float, typer.Option(min=1, help="Ordinary calls of an average day.")] = 15_000,
    out: _Out = None,
    to_topic: _ToTopic = False,
    labels: _Labels = None,
    incidents: _Kinds = None,
    start: _Start = None,
    speed: _Speed = 0,
) -> None:
    """Make up a company's calls, with labelled incidents in them: to try rules on, or to see detection work."""
    from tokentrail.processors.simulation.schedule import all_kinds
    from tokentrail.processors.simulation.simulation import Simulation

    if out is None and labels is None and not to_topic:
        raise typer.BadParameter("Say where to: --out FILE, --to-topic, or --labels FILE alone.")
    if speed and not to_topic:
        raise typer.BadParameter("--speed is for --to-topic; a file is written as fast as it goes.")
    kinds = _parse_kinds(incidents, all_kinds())
    simulation = Simulation(
        seed,
        start=parse_moment(start) if start else _begin(days, speed, datetime.now(UTC)),
        days=days,
        calls_per_day=calls_per_day,
        kinds=kinds,
        batch_s=_PACED_BATCH_S * speed if speed else _BATCH_S,
    )
    if labels is not None:
        _write_labels(simulation, labels)
    if out is not None:
        _write(simulation, out)
    if to_topic:
        _publish(simulation, speed)


def _parse_kinds(text: str | None, known: "Sequence[str]") -> set[str] | None:
    if text is None:
        return None
    if text in {"all", "none"}:
        return set(known) if text == "all" else set()
    kinds = {name.strip() for name in text.split(",") if name.strip()}
    if unknown := sorted(kinds - set(known)):
        raise typer.BadParameter(f"No kind of incident: {', '.join(unknown)}; there are {', '.join(known)}.")
    return kinds


def _begin(days: float, speed: float, now: datetime) -> datetime:
    """Return a begin such that what is simulated has caught up with the clock when it ends."""
    return now - timedelta(days=days) * (1 - 1 / speed if speed else 1)


def _write_labels(simulation: "Simulation", path: Path) -> None:
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(simulation.labels()), indent=2)
    try:
        path.write_bytes(text + b"\n")
    except OSError as error:
        raise TokentrailError(f"The labels cannot be written to {path}: {error.strerror or error}.") from error
    harmless = sum(incident.harmless for incident in simulation.incidents)
    err.print(
        f"{len(simulation.incidents) - harmless} incidents and {harmless} harmless look-alikes: {path}", soft_wrap=True
    )


def _write(simulation: "Simulation", path: Path) -> None:
    from tokentrail.processors.simulation.record_lines import write_lines

    started, written = time.perf_counter(), 0
    try:
        with err.status("0 records") as status:
            for written in write_lines(path, _records(simulation)):
                status.update(f"{written:,} records")
    except OSError as error:
        raise TokentrailError(f"Records cannot be written to {path}: {error.strerror or error}.") from error
    err.print(f"{written:,} records in {time.perf_counter() - started:.1f} s: {path}", soft_wrap=True)


def _publish(simulation: "Simulation", speed: float) -> None:
    from tokentrail.processors.replay_speed import ReplaySpeed
    from tokentrail.schemas import topics
    from tokentrail.settings import current_settings
    from tokentrail.sinks.republisher import keep_records, republish

    settings = current_settings()
    topic = settings.topic(topics.CALLS.name)
    records = keep_records(_when_due(_records(simulation), simulation, speed))
    with err.status(f"0 records to {topic}") as status:
        note = republish(
            settings, topic, records, ReplaySpeed(speed), lambda sent: status.update(f"{sent:,} records to {topic}")
        )
        sent = asyncio.run(note)
    err.print(f"{sent:,} records published to {topic}.", soft_wrap=True)


def _records(simulation: "Simulation") -> "Iterator[RecordBatch]":
    from tokentrail.processors.simulation.encoding import encode_records

    return encode_records(simulation.batches())


def _when_due(batches: "Iterator[RecordBatch]", simulation: "Simulation", speed: float) -> "Iterator[RecordBatch]":
    """Hold the first record back until its time: the others follow at its distance, none comes before it happened."""
    begun_s = time.time()
    for number, batch in enumerate(batches):
        if speed and number == 0:
            due_s = (batch.timestamps_ms[0] / 1000 - simulation.start.timestamp()) / speed
            time.sleep(max(0.0, begun_s + due_s - time.time()))
        yield batch
