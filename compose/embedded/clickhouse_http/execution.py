"""Execution: runs one request's statement on a leased connection, in a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from tokentrail.compose.embedded.clickhouse_http.accounts import Account
from tokentrail.compose.embedded.clickhouse_http.connection import Connection, Outcome, ResultStream
from tokentrail.compose.embedded.clickhouse_http.failures import ClickHouseFailure, no_room, refusal
from tokentrail.compose.embedded.clickhouse_http.guard import (
    check_database,
    check_format,
    check_statement,
    read_only_refusal,
    shows_signs,
)
from tokentrail.compose.embedded.clickhouse_http.request import Request
from tokentrail.compose.embedded.clickhouse_http.sessions import Sessions
from tokentrail.compose.embedded.clickhouse_http.spool import Spool
from tokentrail.compose.embedded.clickhouse_http.statements import find_insert, first_word, stated_format
from tokentrail.compose.embedded.clickhouse_http.store import Store

# Formats whose blocks can be strung together: no header, no footer.
_STREAMED_FORMATS = frozenset(
    (
        "Native",
        "RowBinary",
        "TabSeparated",
        "TSV",
        "TabSeparatedRaw",
        "TSVRaw",
        "CSV",
        "JSONEachRow",
        "JSONCompactEachRow",
    )
)
_HEAD_BYTES = 1 << 18
# A statement is held in memory as a whole; data after FORMAT is not and may be larger.
_MAX_STATEMENT_BYTES = 256 << 20


class Answer:
    """The result of a statement: whole in `outcome`, or block by block. Close it in either case."""

    def __init__(self, output_format: str, outcome: Outcome | None = None, stream: ResultStream | None = None) -> None:
        self.format = output_format
        self.outcome = outcome
        self._stream = stream
        self._lease = ExitStack()
        # A client may go while a block is being fetched; the connection goes back only after that.
        self._busy = threading.Lock()
        # Before the first row an error is an error of the request, so this one is fetched before the status line.
        self._first = stream.fetch() if stream else None

    def hold(self, lease: ExitStack) -> None:
        """Take the connection over until the last block."""
        self._lease = lease

    def next_block(self) -> bytes | None:
        """Return the next block, None at the end. Blocks."""
        try:
            with self._busy:
                first, self._first = self._first, None
                block = first if first is not None or self._stream is None else self._stream.fetch()
        except ClickHouseFailure:
            self.close()
            raise
        if block is None:
            self.close()
        return block

    def close(self) -> None:
        """End the query if it still runs, and give its connection back. Blocks."""
        with self._busy:
            if self._stream:
                self._stream.cancel()
            self._lease.close()


class Execution:
    """Runs statements; every method blocks and may be called from many threads."""

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions

    def run(self, request: Request, account: Account, body: Spool) -> Answer:
        """Run a request's statement: all of it, or up to the first rows of a result that is streamed.

        Raises:
            ClickHouseFailure: the engine or this interface refuses.
        """
        check_database(account, request.database)
        prefix = request.query + b"\n" if request.query else b""
        head = prefix + body.read(_HEAD_BYTES)
        insert = find_insert(head)
        with ExitStack() as stack:
            connection = stack.enter_context(self._lease(request, account))
            if insert:
                if account.read_only or request.read_only_method:
                    raise read_only_refusal(by_method=not account.read_only)
                check_format(insert.format)
                data = stack.enter_context(_data(body, max(0, insert.data_start - len(prefix))))
                return Answer(insert.format, connection.insert(insert.from_file(data.path()), request.params))
            text = head + body.read(_MAX_STATEMENT_BYTES)
            if body.read(1):
                raise refusal(62, "SYNTAX_ERROR", f"The statement is longer than {_MAX_STATEMENT_BYTES} bytes.")
            if account.read_only or request.read_only_method or first_word(text) != "INSERT" or shows_signs(text):
                check_statement(connection, account, text, only_reading=request.read_only_method)
            answer = _answer(connection, request, text)
            if answer.outcome is None:
                answer.hold(stack.pop_all())
            return answer

    def stop_reading(self, request: Request, owner: Account) -> None:
        """Stop a request's query if it only reads; what writes runs to its end."""
        comment = request.settings.get("log_comment")
        if comment:
            with self._store.lease(owner, {}, None) as connection:
                connection.run(
                    b"KILL QUERY WHERE query_kind = 'Select' AND Settings['log_comment'] = {comment:String} ASYNC",
                    params={"comment": comment},
                )

    def stop_all(self, owner: Account) -> None:
        """Stop every query that runs, writing ones too."""
        with self._store.lease(owner, {}, None) as connection:
            connection.run(b"KILL QUERY WHERE query_kind != 'KillQuery' ASYNC")

    @contextmanager
    def _lease(self, request: Request, account: Account) -> Iterator[Connection]:
        # A reader can neither set nor create anything that a session would keep.
        if request.session and not account.read_only:
            with self._sessions.lease(account, request.session) as connection:
                connection.configure(request.settings, request.database)
                yield connection
            return
        pooled: AbstractContextManager[Connection] = self._store.lease(account, request.settings, request.database)
        with pooled as connection:
            yield connection


def _data(body: Spool, start: int) -> AbstractContextManager[Spool]:
    try:
        return body.from_offset(start) if start else nullcontext(body)
    except OSError as error:
        raise no_room(error) from error


def _answer(connection: Connection, request: Request, text: bytes) -> Answer:
    output_format = stated_format(text) or request.default_format
    check_format(output_format)
    if request.wait_end or output_format not in _STREAMED_FORMATS or first_word(text) not in ("SELECT", "WITH"):
        return Answer(output_format, connection.run(text, output_format, request.params))
    return Answer(output_format, stream=connection.stream(text, output_format, request.params))
