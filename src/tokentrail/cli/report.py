"""`tokentrail report`: statistics, security and costs, to read, to keep and to send on."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tokentrail.cli.moments import FIRST_YEAR, LAST_YEAR, parse_as_of
from tokentrail.cli.output import out, print_table
from tokentrail.sinks.reports.cells import harmless

if TYPE_CHECKING:
    from tokentrail.sinks.reports.report import Report

Format = Literal["table", "html", "json", "csv"]
app = typer.Typer(no_args_is_help=True, help="Statistics, security and costs, to read, to keep and to send on.")
_Format = Annotated[Format, typer.Option("--format", help="What to make of it.")]
_Out = Annotated[Path | None, typer.Option("--out", help="A file to write it to; its ending may tell the format.")]
_At = Annotated[str | None, typer.Option(help="As of this moment: 24h, or an ISO time; without it, now.")]
_Json = Annotated[bool, typer.Option("--json", help="The same as --format json.")]


@app.command()
def stats(
    minutes: Annotated[int, typer.Option(min=1, max=44_640, help="How many full minutes back.")] = 60,
    form: _Format = "table",
    to: _Out = None,
    at: _At = None,
    as_json: _Json = False,
) -> None:
    """Tell of the last minutes: calls, failures, cost, tokens, latency, by model, by error, top users."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.reports.report_reader import read_stats_report

    _tell(read_stats_report(current_settings(), minutes, parse_as_of(at)), "json" if as_json else form, to)


@app.command()
def security(  # noqa: PLR0913 - each is an option of its own
    *,
    hourly: Annotated[bool, typer.Option("--hourly", help="The last full hour.")] = False,
    daily: Annotated[
        bool, typer.Option("--daily", help="The last full day (UTC); this is what is told without.")
    ] = False,
    form: _Format = "table",
    to: _Out = None,
    at: _At = None,
    as_json: _Json = False,
) -> None:
    """Tell who called, what failed, which keys were refused, what the rules found, and what to do."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.reports.report_reader import read_security_report

    if hourly and daily:
        raise typer.BadParameter("--hourly and --daily exclude each other.")
    report = read_security_report(current_settings(), "hourly" if hourly else "daily", parse_as_of(at))
    _tell(report, "json" if as_json else form, to)


@app.command()
def costs(  # noqa: PLR0913 - each is an option of its own
    *,
    month: Annotated[str | None, typer.Option(help="YYYY-MM (UTC); without it, this month.")] = None,
    mapped: Annotated[bool, typer.Option("--mapped", help="Departments as `tokentrail mappings` says.")] = False,
    form: _Format = "table",
    to: _Out = None,
    at: _At = None,
    as_json: _Json = False,
) -> None:
    """Tell what a month has cost: by department with its budget and what is left, by model, by user, by day."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.reports.report_reader import read_cost_report

    now = parse_as_of(at)
    asked = _month(month) if month else now.date()
    _tell(read_cost_report(current_settings(), asked, now, mapped=mapped), "json" if as_json else form, to)


def _tell(report: "Report", form: Format, to: Path | None) -> None:
    from tokentrail.sinks.reports.renderers import as_csv, as_html, as_json

    endings: dict[str, Format] = {".html": "html", ".json": "json", ".csv": "csv"}
    if to is not None and form == "table":
        form = endings.get(to.suffix.lower(), "table")
    if form == "table":
        if to is not None:
            raise typer.BadParameter("A table is for the terminal; name a file that ends in .html, .json or .csv.")
        _print(report)
        return
    text = as_html(report) if form == "html" else as_csv(report) if form == "csv" else as_json(report).decode()
    if to is None:
        out.file.write(text)
    else:
        _write(to, text)


def _write(to: Path, text: str) -> None:
    from tokentrail.errors import ReportError

    try:
        # As it is: CSV has its own ends of lines.
        with to.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise ReportError(f"The report cannot be written to {to}: {error.strerror}. Name another file.") from error
    out.print(f"The report is in {to}.", markup=False, soft_wrap=True)


def _print(report: "Report") -> None:
    from tokentrail.sinks.reports.wording import change_of, period_of, worded

    out.print(f"[bold]{report.title}[/]  {period_of(report.period)} UTC, beside {period_of(report.before)}\n")
    figures = [
        (each.name, worded(each.value, each.kind), worded(each.before, each.kind), change_of(each))
        for each in report.figures
    ]
    print_table("", ("", "now", "before", "change"), figures, ("now", "before", "change"))
    for table in report.tables:
        if table.rows:
            right = [column.name for column in table.columns if column.kind not in {"text", "moment"}]
            rows = [
                [worded(value, column.kind) for value, column in zip(row, table.columns, strict=True)]
                for row in table.rows
            ]
            out.print()
            print_table(table.title, [column.name for column in table.columns], rows, right)
        else:
            out.print(f"\n[italic]{table.title}[/]: {table.empty}")
    for each in report.recommendations:
        out.print(harmless(f"\n{each.severity}  {each.because}. {each.text}"), markup=False, soft_wrap=True)
    for note in report.notes:
        out.print(f"\n{note}", markup=False, style="dim", soft_wrap=True)


def _month(text: str) -> date:
    try:
        month = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no month; write YYYY-MM.") from error
    if not FIRST_YEAR <= month.year <= LAST_YEAR:
        raise typer.BadParameter(f"{text!r} is out of range; name a month of {FIRST_YEAR} to {LAST_YEAR}.")
    return month
