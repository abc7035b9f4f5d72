"""`tokentrail migrate`: the ledger's tables."""

from tokentrail.cli.output import JsonFlag, out, print_json


def migrate(as_json: JsonFlag = False) -> None:
    """Bring the ClickHouse database to this version's tables; harmless when it is there already."""
    from tokentrail.settings import current_settings
    from tokentrail.sinks.clickhouse import migrations

    settings = current_settings()
    applied = migrations.migrate(settings)
    if as_json:
        print_json({"database": settings.clickhouse_database, "applied": applied})
    elif applied:
        out.print(f"Database {settings.clickhouse_database}: applied {', '.join(applied)}.")
    else:
        out.print(f"Database {settings.clickhouse_database} is up to date.")
