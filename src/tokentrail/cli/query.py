"""`tokentrail query`: any question to the ledger, through the account that may only read."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from tokentrail.cli.output import JsonFlag, out, print_csv, print_json, print_table
from tokentrail.sinks.reports.cells import readable_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

_RAW = "sql"
_Param = Annotated[list[str] | None, typer.Option(help="name=value, bound to {name:Type}; may be repeated.")]
_Csv = Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")]


class _QueryGroup(TyperGroup):
    """Takes what is no sub-command as a statement."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        asks_help = bool(args) and args[0] in ctx.help_option_names
        if args and args[0] not in self.commands and not asks_help:
            args = [_RAW, *args]
        rest: list[str] = super().parse_args(ctx, args)
        return rest


app = typer.Typer(
    cls=_QueryGroup,
    no_args_is_help=True,
    help="Ask the ledger, read-only and within limits of rows and time: by a query's name, or in SQL.\n\n"
    "tokentrail query 'SELECT count() FROM calls WHERE user_id = {user:String}' --param user=ann",
)


@app.command(_RAW)
def query(
    sql: Annotated[str, typer.Argument(help="A SELECT; write {name:Type} for what --param gives.")],
    param: _Param = None,
    as_json: JsonFlag = False,
    as_csv: _Csv = False,
) -> None:
    """Ask in SQL; the word `sql` may be left out."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.connection import connect, engine_errors

    settings = current_settings()
    parameters = dict(_parameter(text) for text in param or ())
    client = connect(settings, as_reader=True)
    try:
        with engine_errors(settings):
            client.database = settings.clickhouse_database
            answer = client.query(sql, parameters)
    finally:
        client.close()
    _print_answer("", answer.column_names, answer.result_rows, as_json=as_json, as_csv=as_csv)


@app.command("list")
def list_queries(as_json: JsonFlag = False) -> None:
    """List the queries that have a name."""
    from tokentrail.sinks.clickhouse.named_queries import catalogue

    found = catalogue().values()
    if as_json:
        print_json([_document(each) for each in found])
        return
    print_table("", ("query", "answers"), [(each.name, each.answers) for each in found])


@app.command()
def show(name: Annotated[str, typer.Argument(help="A query's name.")], as_json: JsonFlag = False) -> None:
    """Show what a query answers, its parameters, what it reads, and its statement."""
    from tokentrail.sinks.clickhouse.named_queries import find_query

    found = find_query(name)
    if as_json:
        print_json(_document(found))
        return
    out.print(f"[bold]{found.title}[/]", soft_wrap=True)
    out.print(f"{found.answers}\nReads {', '.join(found.reads)}.\n", markup=False, soft_wrap=True)
    rows = [(each.name, each.kind, each.default or "", each.about) for each in found.parameters]
    if rows:
        print_table("", ("--param", "type", "default", "what"), rows)
    out.print(found.sql, markup=False, soft_wrap=True)


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="A query's name.")],
    param: _Param = None,
    as_json: JsonFlag = False,
    as_csv: _Csv = False,
) -> None:
    """Run a query by its name."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse.named_queries import find_query, run_query

    found = find_query(name)
    values = dict(_parameter(text) for text in param or ())
    answer = run_query(current_settings(), found, values, datetime.now(UTC))
    _print_answer(found.title, answer.columns, answer.rows, as_json=as_json, as_csv=as_csv)


def _print_answer(
    title: str, columns: "Sequence[str]", rows: "Sequence[Sequence[Any]]", *, as_json: bool, as_csv: bool
) -> None:
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif as_csv:
        print_csv(columns, rows)
    elif not rows:
        out.print("No rows.")
    else:
        right = [
            name
            for at, name in enumerate(columns)
            if title and not any(isinstance(row[at], str | list) for row in rows)
        ]
        print_table(title, columns, [[readable_cell(cell) for cell in row] for row in rows], right)


def _document(found: Any) -> dict[str, Any]:
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(found)
    return document


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise typer.BadParameter(f"{text!r} is no parameter; write name=value.")
    return name, value
