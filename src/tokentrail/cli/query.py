"""`tokentrail query`: any question to the ledger, through the account that may only read."""

from typing import Annotated

import typer

from tokentrail.cli.output import JsonFlag, out, print_json, print_table


def query(
    sql: Annotated[str, typer.Argument(help="A SELECT; write {name:Type} for what --param gives.")],
    param: Annotated[list[str] | None, typer.Option(help="name=value, bound to {name:Type}; may be repeated.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask the ledger in SQL, read-only and within limits of rows and time."""
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
    if as_json:
        print_json([dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows])
    elif not answer.result_rows:
        out.print("No rows.")
    else:
        print_table("", answer.column_names, answer.result_rows)


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise typer.BadParameter(f"{text!r} is no parameter; write name=value.")
    return name, value
