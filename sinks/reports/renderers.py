"""Renderers: a report as HTML, JSON and CSV. Pure: the same report gives the same bytes."""

import csv
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from io import StringIO
from typing import Any, Final

import jinja2
import msgspec
import orjson

from tokentrail.sinks.reports.cells import csv_cell, harmless
from tokentrail.sinks.reports.charts import draw
from tokentrail.sinks.reports.report import Report
from tokentrail.sinks.reports.wording import change_of, period_of, worded

_NUMBERS: Final = frozenset(("count", "usd", "ratio", "ms"))


def as_html(report: Report) -> str:
    """Return one file without script, fonts or anything else from elsewhere; it prints well.

    Every text is escaped (jinja2 autoescape) and freed of control characters; a policy in the page's head forbids
    scripts and requests even so.
    """
    return _template().render(report=report)


def as_json(report: Report) -> bytes:
    """Return the whole report; money as strings, so that no digit is lost, moments in ISO 8601."""
    return orjson.dumps(_document(report), default=_encode, option=orjson.OPT_INDENT_2) + b"\n"


def as_csv(report: Report) -> str:
    """Return figures, recommendations and tables below one another; the first cell of each row names its part.

    Each part begins with its headings. Text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    out = StringIO()
    writer = csv.writer(out)

    def write(*cells: object) -> None:
        writer.writerow([csv_cell(cell) for cell in cells])

    write("report", "name", "since", "until", "made at")
    write("report", report.title, report.period.since, report.period.until, report.made_at)
    write("figures", "name", "value", "before")
    for figure in report.figures:
        write("figures", figure.name, figure.value, figure.before)
    write("recommendations", "severity", "because", "text")
    for each in report.recommendations:
        write("recommendations", each.severity, each.because, each.text)
    for table in report.tables:
        write(table.title, *(column.name for column in table.columns))
        for row in table.rows:
            write(table.title, *row)
    return out.getvalue()


def _document(report: Report) -> dict[str, Any]:
    document = msgspec.structs.asdict(report)
    document["tables"] = [
        {
            "title": table.title,
            "columns": table.columns,
            "rows": [
                {column.name: value for column, value in zip(table.columns, row, strict=True)} for row in table.rows
            ],
        }
        for table in report.tables
    ]
    return document


def _encode(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


@cache
def _template() -> jinja2.Template:
    folder = files("tokentrail.sinks.reports")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Also what no function of ours has looked at is freed of control characters.
        finalize=lambda value: harmless(value) if type(value) is str else value,
    )
    environment.globals.update(
        worded=worded, change_of=change_of, period_of=period_of, draw=draw, numbers=_NUMBERS,
        style=folder.joinpath("report.css").read_text(encoding="utf-8"),
    )  # fmt: skip
    return environment.from_string(folder.joinpath("report.html").read_text(encoding="utf-8"))
