"""Waits until the ledger has what was published."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect, engine_errors

_POLL_S: Final = 0.25


class LedgerWatch:
    """Counts the calls in the ledger. Close it when done."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = connect(settings, timeout_s=20)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    async def count_calls(self) -> int:
        """Return how many rows `calls` has.

        Raises:
            EngineError: ClickHouse cannot be asked.
        """
        return await asyncio.to_thread(self._count)

    async def wait_for(self, calls: int, deadline_s: float, tell: Callable[[int], None]) -> int:
        """Wait until the ledger has so many calls, or time is up; returns how many it has then."""
        until_s = time.monotonic() + deadline_s
        while (count := await self.count_calls()) < calls and time.monotonic() < until_s:
            tell(count)
            await asyncio.sleep(_POLL_S)
        return count

    def _count(self) -> int:
        with engine_errors(self._settings):
            counted = self._client.query(
                "SELECT count() FROM {database:Identifier}.calls",
                parameters={"database": self._settings.clickhouse_database},
            )
        return int(counted.result_rows[0][0])
