"""One connection to the engine in this process: its settings, its database, and the three ways to run a statement."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

from tokentrail.compose.embedded.clickhouse_http.failures import engine_failure, refusal
from tokentrail.compose.embedded.clickhouse_http.native import native

DEFAULT_DATABASE = "default"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished statement returned, read and wrote."""

    body: bytes = b""
    result_rows: int = 0
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_s: float = 0.0


class Connection:
    """A connection of its own to the engine. Every method blocks; one caller at a time.

    Raises ClickHouseFailure, worded as a server words it, whenever the engine refuses.
    """

    def __init__(self, path: str, version: str, *, role: str, fixed: Mapping[str, str] | None = None) -> None:
        self._version = version
        self._applied: dict[str, str] = {}
        self._originals: dict[str, str] = {}
        self._database: str | None = DEFAULT_DATABASE
        self.tainted = False
        """Whether a statement has left something behind: a temporary table, a SET, another database."""
        self._handle = native.connect(path + ("?" + urlencode(fixed) if fixed else ""))
        try:
            self.run(f"SET ROLE {role}".encode())
        except BaseException:
            self.close()
            raise

    @property
    def version(self) -> str:
        """Return the engine's version."""
        return self._version

    def run(
        self, statement: bytes, output_format: str = "TabSeparated", params: Mapping[str, str] | None = None
    ) -> Outcome:
        """Run a statement to its end and return all of its result."""
        try:
            return _outcome(self._handle.query(statement, output_format, params=dict(params or {})))
        except RuntimeError as error:
            self.drop_leftovers()
            raise engine_failure(str(error), self._version) from error

    def stream(self, statement: bytes, output_format: str, params: Mapping[str, str]) -> "ResultStream":
        """Start a statement; its result is fetched block by block."""
        try:
            return ResultStream(
                self._handle, self._handle.send_query(statement, output_format, params=dict(params)), self
            )
        except RuntimeError as error:
            self.drop_leftovers()
            raise engine_failure(str(error), self._version) from error

    def insert(self, statement: bytes, params: Mapping[str, str]) -> Outcome:
        """Insert a file with `INSERT … FROM INFILE`; nothing of a body of one block is stored if any of it is refused.

        Not chDB's streaming insert: that one acknowledges rows which a full disk or a failing view has kept out.
        """
        outcome = self.run(statement, params=params)
        # Exact for a table without views. The engine has one count for a table and its views, so with them this is a
        # floor: whoever knows what the views write compares the sum, or counts the tables, as the ledger does.
        if outcome.written_rows < outcome.result_rows:
            reason = f"{outcome.result_rows} rows came in and {outcome.written_rows} were written."
            raise refusal(117, "INCORRECT_DATA", reason)
        return outcome

    def configure(self, settings: Mapping[str, str], database: str | None) -> None:
        """Bring the connection to exactly these settings, and to the database if one is given.

        Costs nothing when the connection has them already.
        """
        dropped = [name for name in self._applied if name not in settings]
        changed = {name: value for name, value in settings.items() if self._applied.get(name) != value}
        assignments = {name: self._originals[name] for name in dropped}
        for name in changed:
            if name not in self._originals:
                self._originals[name] = self._current(name)
        assignments.update(changed)
        if assignments:
            clause = ", ".join(f"{_identifier(name)} = {_literal(value)}" for name, value in assignments.items())
            self.run(f"SET {clause}".encode())
            self._applied = dict(settings)
        if database and database != self._database:
            self.run(f"USE {_identifier(database)}".encode())
            self._database = database

    def forget_settings(self) -> None:
        """Take settings and database as the session's own from now on: a statement has changed them."""
        self._applied.clear()
        self._originals.clear()
        self._database = None

    def statement_class(self, statement: bytes) -> tuple[str, int]:
        """Return the engine's own class of a text (READ_ONLY, MUTATING, …, UNKNOWN) and its number of statements."""
        report: dict[str, Any] = self._handle.classify_query(statement)
        return report["query_class"].name, report["statement_count"]

    def canonical(self, statement: bytes) -> str | None:
        """Return the statement as the engine's formatter writes it, on one line; None when it cannot be parsed."""
        text = statement.decode(errors="replace").replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
        found = self.run(b"SELECT formatQuerySingleLineOrNull({statement:String})", "RawBLOB", {"statement": text})
        canonical = found.body.decode(errors="replace")
        return None if canonical in ("", "\\N") else canonical

    def drop_leftovers(self) -> None:
        """Empty the result buffer after a failure.

        chDB keeps the rows that a failed query had written already, and would return them with the next result.
        """
        with suppress(RuntimeError):
            self._handle.query(b"SELECT 1 FORMAT Null", "Null")

    def close(self) -> None:
        """Close the connection; temporary tables go with it."""
        self._handle.close()

    def _current(self, name: str) -> str:
        found = self.run(b"SELECT value FROM system.settings WHERE name = {name:String}", "RawBLOB", {"name": name})
        return found.body.decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ResultStream:
    """The blocks of one running query, each encoded on its own; for formats that can be strung together."""

    def __init__(self, handle: Any, result: Any, connection: Connection) -> None:
        self._handle = handle
        self._result = result
        self._connection = connection
        self._open = True

    def fetch(self) -> bytes | None:
        """Return the next block's bytes, None at the end and ever after. Blocks."""
        if not self._open:
            return None
        try:
            block = self._handle.streaming_fetch_result(self._result)
        except RuntimeError as error:
            self._open = False
            self._connection.drop_leftovers()
            raise engine_failure(str(error), self._connection.version) from error
        if block is None or block.rows_read() == 0:
            self._open = False
            return None
        return bytes(block.bytes())

    def cancel(self) -> None:
        """End the query; nothing happens when it has ended."""
        if self._open:
            self._open = False
            with suppress(RuntimeError):
                self._handle.streaming_cancel_query(self._result)


def _outcome(result: Any) -> Outcome:
    return Outcome(
        body=result.bytes() or b"",
        result_rows=result.rows_read(),
        read_rows=result.storage_rows_read(),
        read_bytes=result.storage_bytes_read(),
        written_rows=result.rows_written(),
        written_bytes=result.bytes_written(),
        elapsed_s=result.elapsed(),
    )


def _literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _identifier(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
