"""Sessions: connections that one client keeps between its requests, with their temporary tables and settings."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tokentrail.compose.embedded.clickhouse_http.accounts import Account
from tokentrail.compose.embedded.clickhouse_http.connection import Connection
from tokentrail.compose.embedded.clickhouse_http.failures import refusal
from tokentrail.compose.embedded.clickhouse_http.request import Session
from tokentrail.compose.embedded.clickhouse_http.store import Store


@dataclass(slots=True)
class _Kept:
    connection: Connection
    expires_at_s: float
    busy: bool


class Sessions:
    """The open sessions, by user and session id; one request at a time in each, as on a server."""

    def __init__(self, store: Store, monotonic_s: Callable[[], float]) -> None:
        self._store = store
        self._monotonic_s = monotonic_s
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._lock = threading.Lock()

    @contextmanager
    def lease(self, account: Account, wanted: Session) -> Iterator[Connection]:
        """Lend the session's connection; opens the session if it is new. Blocks for as long as that takes.

        Raises:
            ClickHouseFailure: 373 while another request is in the session, 372 if it must exist and does not.
        """
        key = (account.user, wanted.id)
        kept = self._enter(key, account, wanted)
        try:
            yield kept.connection
        finally:
            with self._lock:
                kept.busy = False
                kept.expires_at_s = self._monotonic_s() + wanted.timeout_s
                closing = self._kept.pop(key, None) if wanted.close_after else None
            if closing:
                closing.connection.close()

    def close_expired(self) -> None:
        """Close the sessions whose time is over."""
        now_s = self._monotonic_s()
        with self._lock:
            keys = [key for key, kept in self._kept.items() if not kept.busy and kept.expires_at_s <= now_s]
            expired = [self._kept.pop(key) for key in keys]
        for kept in expired:
            kept.connection.close()

    def close(self) -> None:
        """Close all sessions."""
        with self._lock:
            remaining = list(self._kept.values())
            self._kept.clear()
        for kept in remaining:
            kept.connection.close()

    def _enter(self, key: tuple[str, str], account: Account, wanted: Session) -> _Kept:
        self.close_expired()
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                if wanted.must_exist:
                    raise refusal(372, "SESSION_NOT_FOUND", f"Session {wanted.id} not found.")
                connection = self._store.open_connection(account)
                kept = self._kept[key] = _Kept(connection, 0.0, busy=False)
            if kept.busy:
                raise refusal(373, "SESSION_IS_LOCKED", f"Session {wanted.id} is locked by a concurrent client.")
            kept.busy = True
            return kept
