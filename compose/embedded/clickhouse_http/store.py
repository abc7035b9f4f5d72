"""The store: the one engine of this process, opened on its directory, and the connections to it."""

import os
import sys
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import IO, Any

from tokentrail.compose.embedded.clickhouse_http.accounts import OWNER, READER_LIMITS, Account
from tokentrail.compose.embedded.clickhouse_http.connection import DEFAULT_DATABASE, Connection
from tokentrail.compose.embedded.clickhouse_http.failures import ClickHouseFailure
from tokentrail.compose.embedded.clickhouse_http.native import native
from tokentrail.errors import AlreadyRunningError, StackError

# Connections kept open between requests; further ones are opened and closed with their request (0.5 ms).
_IDLE_CONNECTIONS = 16
_LOCKED_BY_ANOTHER = ("Cannot lock file", "Another server instance", "already running")


class Store:
    """The engine on one directory. One process, one store: chDB opens one path at a time."""

    def __init__(self, path: Path) -> None:
        """Open the directory, made if it is not there; takes a second, more with much data.

        Raises:
            AlreadyRunningError: another process has the directory open.
            StackError: the engine cannot use the directory.
        """
        self.path = path
        self._idle: OrderedDict[tuple[object, ...], list[Connection]] = OrderedDict()
        self._idle_count = 0
        self._lock = threading.Lock()
        self._keeper = _open(path)
        probe = self._keeper.query("SELECT version(), timezone(), hostName()", "TabSeparated").bytes().decode()
        self.version, self.timezone, self.host = probe.rstrip("\n").split("\t")

    def open_connection(self, account: Account, settings: Mapping[str, str] | None = None) -> Connection:
        """Open a connection of the account's role; a reader's is held to these settings and to reading for good."""
        path = str(self.path)
        if not account.read_only:
            return Connection(path, self.version, role=OWNER)
        connection = Connection(path, self.version, role=account.role, fixed=READER_LIMITS)
        try:
            connection.configure(settings or {}, None)
            # Last: under readonly nothing more can be set, these limits least of all.
            connection.run(b"SET readonly = 1")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def lease(self, account: Account, settings: Mapping[str, str], database: str | None) -> Iterator[Connection]:
        """Lend a connection with these settings and this database; it comes back clean or not at all."""
        key: tuple[object, ...] = (account.role, *sorted(settings.items())) if account.read_only else (account.role,)
        connection = self._take(key) or self.open_connection(account, settings)
        clean = False
        try:
            connection.configure(settings, database or DEFAULT_DATABASE)
            yield connection
            clean = not connection.tainted
        except ClickHouseFailure:
            clean = not connection.tainted
            raise
        finally:
            if clean:
                self._give_back(key, connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close every idle connection and the engine with the last of them."""
        with self._lock:
            idle = [connection for connections in self._idle.values() for connection in connections]
            self._idle.clear()
        for connection in idle:
            connection.close()
        self._keeper.close()

    def _take(self, key: tuple[object, ...]) -> Connection | None:
        with self._lock:
            connections = self._idle.get(key)
            if not connections:
                return None
            self._idle_count -= 1
            connection = connections.pop()
            if not connections:
                del self._idle[key]
            return connection

    def _give_back(self, key: tuple[object, ...], connection: Connection) -> None:
        with self._lock:
            self._idle.setdefault(key, []).append(connection)
            self._idle.move_to_end(key)
            self._idle_count += 1
            if self._idle_count <= _IDLE_CONNECTIONS:
                return
            # The key unused for longest goes first.
            oldest, connections = next(iter(self._idle.items()))
            surplus = connections.pop(0)
            if not connections:
                del self._idle[oldest]
            self._idle_count -= 1
        surplus.close()


def _open(path: Path) -> Any:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"{path} cannot be made ({error.strerror}); choose another directory with --data.") from error
    with as_file(files(__package__)) as package, tempfile.TemporaryFile() as complaints:
        try:
            with _stderr_to(complaints):
                return native.connect(
                    f"{path}?config-file={package / 'engine.xml'}&users_config={package / 'accounts.xml'}"
                )
        except RuntimeError as error:
            complaints.seek(0)
            reason = complaints.read().decode(errors="replace").strip() or str(error)
            if any(sign in reason for sign in _LOCKED_BY_ANOTHER):
                raise AlreadyRunningError(
                    f"Another process has the ClickHouse data in {path} open; stop it, or give this one its own --data."
                ) from error
            raise StackError(f"The ClickHouse engine cannot open {path}: {reason}") from error


@contextmanager
def _stderr_to(file: IO[bytes]) -> Iterator[None]:
    # The engine tells why it cannot start on standard error alone.
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
