"""The tables `alerts` and `alert_controls` as their writer sees them. Blocking; each table is its own offset store."""

import time
import uuid
from typing import Final

import msgspec
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors

ALERTS: Final = "alerts"
CONTROLS: Final = "alert_controls"
INSERT_TIMEOUT_S: Final = 60
SETTLE_S: Final = 30
"""How long an insert that an earlier writer left behind may go on before it is killed."""


class Stored(msgspec.Struct, frozen=True):
    """The last stored offset by partition."""

    alerts: dict[int, int]
    controls: dict[int, int]


class AlertTables:
    """One writer's view; `name` tells its inserts from those of other trails on the same engine."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._database = settings.clickhouse_database
        self._inserts = f"{name}/{self._database}/"
        self._client: Client | None = None

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def insert(self, table: str, block: pa.Table) -> None:
        """Write a block of one month; returns once the table holds it.

        Raises:
            EngineError: it is not known whether the table holds it: `recover` tells.
        """
        name = f"{self._inserts}{uuid.uuid4()}"
        # Not deduplicated: our own offsets do that, and the engine would take two equal blocks for one.
        settings = {"async_insert": 0, "insert_deduplicate": 0, "query_id": name, "log_comment": name}
        with engine_errors(self._settings):
            self._connected().insert_arrow(table, block, self._database, settings)

    def recover(self) -> Stored:
        """Wait out the inserts that an earlier writer left behind, and return what is stored.

        Raises:
            EngineError: the engine cannot be reached or refuses.
        """
        with engine_errors(self._settings):
            self._settle()
            return Stored(self._last_offsets(ALERTS), self._last_offsets(CONTROLS))

    def _connected(self) -> Client:
        if self._client is None:
            self._client = connect(self._settings, timeout_s=INSERT_TIMEOUT_S)
        return self._client

    def _settle(self) -> None:
        deadline_s = time.monotonic() + SETTLE_S
        while running := self._running():
            if time.monotonic() > deadline_s:
                self._connected().command("KILL QUERY WHERE query_id IN {ids:Array(String)} SYNC", {"ids": running})
                deadline_s = time.monotonic() + SETTLE_S
            time.sleep(0.05)

    def _running(self) -> list[str]:
        # Twice: the embedded engine makes up query ids of its own, and a proxy may too.
        rows = self._connected().query(
            "SELECT query_id FROM system.processes WHERE query_kind = 'Insert' "
            "AND (startsWith(query_id, {ours:String}) OR startsWith(Settings['log_comment'], {ours:String}))",
            {"ours": self._inserts},
        )
        return [str(query_id) for (query_id,) in rows.result_rows]

    def _last_offsets(self, table: str) -> dict[int, int]:
        rows = self._connected().query(
            "SELECT kafka_partition, max(kafka_offset) FROM {database:Identifier}.{table:Identifier} "
            "GROUP BY kafka_partition",
            {"database": self._database, "table": table},
        )
        return {int(partition): int(offset) for partition, offset in rows.result_rows}
