"""`tokentrail mappings`: which key, user or service belongs to which department, team or cost centre, and when."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.output import JsonFlag, out, print_json, print_table
from tokentrail.cli.user_name import user_name

if TYPE_CHECKING:
    from tokentrail.processors.mappings import MappingEntry

app = typer.Typer(
    no_args_is_help=True,
    help="What belongs to what, by days: applied when costs are asked for, so a correction moves the past as well.",
)
_Source = Annotated[
    str, typer.Argument(help="What is mapped: key=…, user=…, service=…, feature=…, team=…, and others.")
]
_From = Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD (UTC); without it, always was.")]
_Until = Annotated[str | None, typer.Option(help="First day after; without it, for ever.")]
_Note = Annotated[str, typer.Option(help="Why.")]


@app.command("set")
def set_mapping(
    source: _Source,
    target: Annotated[str, typer.Argument(help="What it belongs to: department=…, team=… or cost_centre=….")],
    valid_from: _From = None,
    until: _Until = None,
    note: _Note = "",
) -> None:
    """Record that something belongs to a department, a team or a cost centre."""
    name, value = _pair(target)
    if not value:
        raise typer.BadParameter(f"{target!r} names no {name}; `tokentrail mappings remove` ends a mapping.")
    _record([_entry(source, name, value, valid_from, until, note)])


@app.command()
def remove(
    source: _Source,
    target: Annotated[str, typer.Argument(help="department, team or cost_centre.")],
    valid_from: _From = None,
    until: _Until = None,
    note: _Note = "",
) -> None:
    """End a mapping for these days; what was recorded stays to be seen in `list --history`."""
    _record([_entry(source, target, "", valid_from, until, note)])


@app.command("import")
def import_mappings(
    file: Annotated[Path, typer.Argument(help="CSV: dimension,value,target,target_value,valid_from,valid_until,note.")],
) -> None:
    """Record the entries of a CSV file, all or none; of two for the same days the later line holds."""
    from tokentrail.errors import AttributionError
    from tokentrail.processors.mappings import read_mappings

    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AttributionError(f"{file} cannot be read: {error}.") from error
    _record(read_mappings(text, str(file)))


@app.command("list")
def list_mappings(
    at: Annotated[str | None, typer.Option(help="What holds on this day, YYYY-MM-DD; without it, today (UTC).")] = None,
    history: Annotated[bool, typer.Option("--history", help="Every entry, with who recorded it and when.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List what belongs to what."""
    from tokentrail.processors.mappings import holding
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.mapping_table import read_recorded_mappings

    day = _day(at) if at else datetime.now(UTC).date()
    entries = read_recorded_mappings(current_settings())
    shown = entries if history else holding(entries, day)
    if as_json:
        print_json(shown)
    elif not shown:
        out.print("No mappings." if history else f"No mappings on {day}.")
    else:
        recorded = ("recorded at", "by") if history else ()
        rows = [
            (
                *((f"{each.recorded_at:%Y-%m-%d %H:%M:%S}", each.recorded_by) if history else ()),
                f"{each.dimension} {each.value}",
                f"{each.target} {each.target_value}" if each.target_value else f"no {each.target}",
                *_days(each),
                each.note,
            )
            for each in shown
        ]
        print_table("", (*recorded, "what", "belongs to", "from", "until", "note"), rows)


def _record(entries: "list[MappingEntry]") -> None:
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.mapping_table import record_mappings

    if entries:
        record_mappings(current_settings(), entries, user_name())
    out.print(f"{len(entries)} {'mapping' if len(entries) == 1 else 'mappings'} recorded.")


def _entry(  # noqa: PLR0913, PLR0917 - each is one that the command line gives
    source: str, target: str, target_value: str, valid_from: str | None, until: str | None, note: str
) -> "MappingEntry":
    from tokentrail.processors.mappings import FIRST_DAY, LAST_DAY, SHORT_NAMES, MappingEntry

    dimension, value = _pair(source)
    return MappingEntry(
        dimension=SHORT_NAMES.get(dimension, dimension),
        value=value,
        target=target,
        target_value=target_value,
        valid_from=_day(valid_from) if valid_from else FIRST_DAY,
        valid_until=_day(until) if until else LAST_DAY,
        note=note,
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is no pair; write for instance user=alice or department=Sales.")
    return name.strip(), value.strip()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day; write YYYY-MM-DD.") from error


def _days(entry: "MappingEntry") -> tuple[str, str]:
    from tokentrail.processors.mappings import FIRST_DAY, LAST_DAY

    return (
        "always" if entry.valid_from == FIRST_DAY else str(entry.valid_from),
        "" if entry.valid_until == LAST_DAY else str(entry.valid_until),
    )
