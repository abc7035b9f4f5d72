"""An insert that lands while its answer is lost: it must not be sent once more."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import unquote_plus, urlsplit

import msgspec
import pytest
from ledger_log import block_of, completed, rows

from tokentrail.errors import EngineError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.migrations import migrate

_FRAMING: Final = frozenset(("transfer-encoding", "content-length", "connection", "server", "date"))


class BreakingProxy(ThreadingHTTPServer):
    """Passes everything on to an engine, but hangs up when an insert of events should be answered."""

    daemon_threads = True

    def __init__(self, engine: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.engine = urlsplit(engine).netloc
        self.inserts: list[bytes] = []


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BreakingProxy

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        body = self._read_body()
        request = unquote_plus(self.path) + body[:200].decode("ascii", "replace")
        if "INSERT INTO" in request and "events_in" in request:
            self.server.inserts.append(body)
        self._pass_on(body, answer=body not in self.server.inserts)

    def _read_body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _pass_on(self, body: bytes, *, answer: bool = True) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _FRAMING}
        engine = http.client.HTTPConnection(self.server.engine)
        engine.request(self.command, self.path, body, {**headers, "content-length": str(len(body))})
        answered = engine.getresponse()
        content = answered.read()
        engine.close()
        if not answer:
            self.close_connection = True
            return
        self.send_response(answered.status)
        for name, value in answered.getheaders():
            if name.lower() not in _FRAMING:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def breaking_proxy(engine: str) -> Iterator[BreakingProxy]:
    proxy = BreakingProxy(engine)
    threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()


@pytest.mark.engine
def test_an_insert_whose_answer_is_lost_is_not_sent_again(settings: Settings) -> None:
    migrate(settings)
    with breaking_proxy(settings.clickhouse) as proxy:
        through = msgspec.structs.replace(settings, clickhouse=f"http://127.0.0.1:{proxy.server_address[1]}")
        tables = LedgerTables(through, "test")
        with pytest.raises(EngineError, match="cannot be reached"):
            tables.insert(block_of(0, [completed(0), completed(1)]))
        tables.close()
        assert len(proxy.inserts) == 1
    assert rows(settings, "SELECT (SELECT count() FROM event_log), (SELECT count() FROM calls)") == [(2, 2)]
    tables = LedgerTables(settings, "test")
    assert tables.recover([0])[0].last_offset == 1
    tables.close()
