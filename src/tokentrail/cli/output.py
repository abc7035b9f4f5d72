"""How the command line speaks: Rich tables for people, JSON for programs, one sentence for mistakes."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """Print a value as JSON to standard output; Decimal as a string, so that no digit of money is lost."""
    out.file.write(orjson.dumps(value, default=_encode, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode() + "\n")


def print_json_line(value: Any) -> None:
    """Print a value as one line of JSON, at once: for streams that another program reads."""
    out.file.write(orjson.dumps(value, default=_encode, option=orjson.OPT_UTC_Z).decode() + "\n")
    out.file.flush()


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()
) -> None:
    """Print rows as a table; the columns named in `right` are set flush right, as numbers want."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        # As text: what callers put into a user id must not be read as markup.
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    out.print(table)


def _encode(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
