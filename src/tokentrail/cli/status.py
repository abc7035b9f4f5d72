"""`tokentrail status`: how far each part is, and what has piled up."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.output import JsonFlag, err, out, print_json, print_table

if TYPE_CHECKING:
    from tokentrail.compose.trail_status import TrailStatus


def status(
    data: Annotated[
        Path | None, typer.Option(help="Ask the stack that `up --data` runs on this directory, wherever it listens.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show each part's lag, events, rows, dead letters and alerts. Exit status 1 if a service cannot be reached."""
    import msgspec

    from tokentrail.compose.trail_status import inspect_trail, settings_of_stack
    from tokentrail.settings import current_settings

    settings = current_settings()
    if data is not None:
        settings = settings_of_stack(data, settings)
    found = asyncio.run(inspect_trail(settings))
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _print(found)
    for problem in found.problems:
        err.print(f"[bold red]tokentrail:[/] {problem}", soft_wrap=True)
    if found.problems:
        raise typer.Exit(1)


def _print(found: "TrailStatus") -> None:
    out.print(f"Kafka {found.kafka} · ClickHouse {found.clickhouse}", soft_wrap=True)
    if found.parts:
        lags = [(name, part.topic, part.group, _number(part.lag)) for name, part in found.parts.items()]
        print_table("Parts", ("part", "reads", "group", "lag"), lags, right=("lag",))
    counts = [(f"topic {name}", _number(count)) for name, count in found.records.items()]
    counts += [(f"table {name}", _number(count)) for name, count in found.rows.items()]
    if counts:
        print_table("Counts", ("where", "records"), counts, right=("records",))
    if found.stack is not None:
        parts = [
            (part.name, part.state, part.pid, part.restarts, part.address, part.detail) for part in found.stack.parts
        ]
        print_table("One-machine stack", ("part", "state", "pid", "restarts", "address", "detail"), parts)


def _number(count: int | None) -> str:
    return "missing" if count is None else f"{count:,}"
