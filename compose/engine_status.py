"""How many rows the ledger's tables hold; asked of ClickHouse."""

import asyncio
import logging
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError

from tokentrail.errors import EngineError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors

TABLES: Final = ("event_log", "calls")
_ANSWER_S: Final = 8

# clickhouse-connect logs what it raises anyway; whoever asks for the state wants the sentence, not the log.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())


async def count_rows(settings: Settings) -> dict[str, int]:
    """Return rows by table; a table that does not exist yet is left out. Answers or raises within seconds.

    Raises:
        EngineError: ClickHouse cannot be reached, or refuses.
    """
    return await asyncio.to_thread(_count_rows, settings)


def _count_rows(settings: Settings) -> dict[str, int]:
    client = _connect(settings)
    try:
        with engine_errors(settings):
            existing = client.query(
                "SELECT name FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}",
                parameters={"database": settings.clickhouse_database, "names": list(TABLES)},
            )
            tables = [str(name) for (name,) in existing.result_rows]
            return {table: _count_table(client, settings.clickhouse_database, table) for table in tables}
    finally:
        client.close()


def _connect(settings: Settings) -> Client:
    try:
        return connect(settings, timeout_s=_ANSWER_S)
    except EngineError as error:
        if not isinstance(error.__cause__, (OperationalError, OSError)):
            raise
        raise EngineError(
            f"ClickHouse at {settings.clickhouse_address} does not answer; "
            "start it with `tokentrail up`, or set TOKENTRAIL_CLICKHOUSE to where it is."
        ) from error


def _count_table(client: Client, database: str, table: str) -> int:
    counted = client.query(
        "SELECT count() FROM {database:Identifier}.{table:Identifier}",
        parameters={"database": database, "table": table},
    )
    return int(counted.result_rows[0][0])
