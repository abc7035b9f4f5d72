"""What the ledger takes on disk, table by table."""

import re
from typing import Final

import msgspec

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors
from tokentrail.sinks.clickhouse.retention import MONTHS

_TTL: Final = re.compile(r" TTL (.*?)(?: SETTINGS |$)")
_STORED: Final = """
SELECT tables.name, sumIf(parts.rows, parts.of_rows), sum(parts.bytes_on_disk), sum(parts.data_uncompressed_bytes),
    minIf(parts.partition, parts.of_rows), maxIf(parts.partition, parts.of_rows),
    any(tables.engine_full), any(tables.storage_policy)
FROM system.tables AS tables
LEFT JOIN (
    -- A patch part, left by a lightweight update, has new values of rows that are in another part.
    SELECT *, rows > 0 AND NOT startsWith(partition_id, 'patch-') AS of_rows
    FROM system.parts WHERE active AND database = {database:String}
) AS parts ON parts.table = tables.name
WHERE tables.database = {database:String} AND tables.engine LIKE '%MergeTree'
GROUP BY tables.name ORDER BY sum(parts.bytes_on_disk) DESC, tables.name
"""


class TableStorage(msgspec.Struct, frozen=True):
    """One table. Bytes are those on disk, and what they are without compression; months are `202611`, or None."""

    table: str
    rows: int
    bytes_on_disk: int
    uncompressed_bytes: int
    bytes_per_call: float | None
    """Bytes on disk by rows of `calls`; None while there are none."""
    oldest_month: str | None
    newest_month: str | None
    ttl: str
    """As the engine has it; empty where rows are kept forever."""
    storage_policy: str


def read_storage(settings: Settings) -> list[TableStorage]:
    """Return the ledger's tables, the largest first. Blocking.

    Raises:
        EngineError: the engine cannot be reached or refuses.
    """
    client = connect(settings)
    try:
        with engine_errors(settings):
            rows = client.query(_STORED, {"database": settings.clickhouse_database}).result_rows
    finally:
        client.close()
    calls = next((int(row[1]) for row in rows if row[0] == "calls"), 0)
    return [
        TableStorage(
            table=table,
            rows=int(count),
            bytes_on_disk=int(on_disk),
            uncompressed_bytes=int(uncompressed),
            bytes_per_call=on_disk / calls if calls else None,
            oldest_month=oldest if count and table in MONTHS else None,
            newest_month=newest if count and table in MONTHS else None,
            ttl=found[1] if (found := _TTL.search(engine)) else "",
            storage_policy=policy,
        )
        for table, count, on_disk, uncompressed, oldest, newest, engine, policy in rows
    ]
