"""How the command line speaks: Rich tables for people, JSON for programs, one sentence for mistakes."""

import csv
import os
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
import orjson
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tokentrail.sinks.reports.cells import csv_cell, harmless

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

_GAP: Final = 2
_LONGEST_PIECE: Final = 24
_PIECE: Final = re.compile(r"[^\s\-_./:@,]*(?:[\-_./:@,]+\s*|\s+|$)(?<=.)", re.DOTALL)

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Print a value as JSON to standard output; Decimal as a string, so that no digit of money is lost."""
    out.file.write(json_bytes(value).decode() + "\n")


def json_bytes(value: Any) -> bytes:
    """Return a value as JSON for people, as `print_json` has it."""
    return orjson.dumps(value, default=_encode, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)


def print_json_line(value: Any) -> None:
    """Print a value as one line of JSON, at once: for streams that another program reads."""
    out.file.write(orjson.dumps(value, default=_encode, option=orjson.OPT_UTC_Z).decode() + "\n")
    out.file.flush()


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as CSV (RFC 4180); text that a spreadsheet would take for a formula has an apostrophe before it."""
    writer = csv.writer(out.file)
    writer.writerow(columns)
    writer.writerows([csv_cell(cell) for cell in row] for row in rows)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()
) -> None:
    """Print rows as a table; the columns named in `right` are set flush right, as numbers want.

    Where the terminal is narrow, text goes on in the next line behind a space, or a sign as names have them; where that
    is not enough, the lines between columns are left out. What is piped has all the room it wants.
    """
    # As text: what callers put into a user id must not be read as markup.
    cells = [["" if cell is None else harmless(str(cell)) for cell in row] for row in rows]
    columns, title = [harmless(column) for column in columns], escape(harmless(title))
    grid = [columns, *cells]
    room, boxed = _room(), 3 * len(columns) + 1
    widths = column_widths(grid, right, None if room is None else room - boxed)
    if room is not None and sum(widths) + boxed > room:
        widths = column_widths(grid, right, room - _GAP * (len(columns) - 1))
        table = Table(title=title, title_justify="left", header_style="bold underline", box=None, pad_edge=False)
        table.padding = (0, _GAP, 0, 0)
        table.width = sum(widths) + _GAP * (len(columns) - 1)
    else:
        table = Table(title=title, title_justify="left", header_style="bold", width=sum(widths) + boxed)
    for column, width in zip(columns, widths, strict=True):
        table.add_column(
            Text(folded(column, width)), justify="right" if column in right else "left", overflow="fold", width=width
        )
    for row in cells:
        table.add_row(*(Text(folded(cell, width)) for cell, width in zip(row, widths, strict=True)))
    out.print(table, crop=False)


def column_widths(grid: Sequence[Sequence[str]], right: Sequence[str], room: int | None) -> list[int]:
    """Return the width of each column, the first row being the headings; their sum is at most `room`, where it can be.

    None is all the room there is. No number is broken; a name only behind one of its signs, or after 24 characters.
    """
    columns = list(zip(*grid, strict=True))
    wanted = [max(cell_len(line) for text in texts for line in text.splitlines() or [""]) for texts in columns]
    if room is None or sum(wanted) <= room:
        return wanted
    words = [max(cell_len(word) for text in texts for word in text.split() or [""]) for texts in columns]
    widths = [
        word if texts[0] in right else min(_LONGEST_PIECE, max(cell_len(p) for text in texts for p in _pieces(text)))
        for texts, word in zip(columns, words, strict=True)
    ]
    left = room - sum(widths)
    for goals in (words, wanted):  # whole words in every column go before whole lines in some
        for at in sorted(range(len(widths)), key=lambda at, goals=goals: goals[at] - widths[at]):  # type: ignore[misc] # its own
            more = max(0, min(left, goals[at] - widths[at]))
            widths[at] += more
            left -= more
    return widths


def folded(text: str, width: int) -> str:
    """Return the text in lines of at most this width, broken behind spaces and the signs of names where that can be."""
    lines: list[str] = []
    for written in text.splitlines() or [""]:
        lines.append("")
        for piece in _pieces(written):
            if cell_len(lines[-1] + piece.rstrip()) > width and lines[-1]:
                lines.append("")
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _pieces(text: str) -> list[str]:
    return [piece for piece in _PIECE.findall(text) if piece] or [""]


def _room() -> int | None:
    return out.width if out.is_terminal or "COLUMNS" in os.environ else None


def _encode(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
