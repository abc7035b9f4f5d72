"""The HTTP front: ClickHouse's interface on aiohttp, the engine's blocking calls in a pool of threads."""

import asyncio
import secrets
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar

import orjson
from aiohttp import web

from tokentrail.compose.embedded.clickhouse_http.accounts import Account, Accounts
from tokentrail.compose.embedded.clickhouse_http.connection import Outcome
from tokentrail.compose.embedded.clickhouse_http.encodings import Encoder, choose, decompress
from tokentrail.compose.embedded.clickhouse_http.execution import Answer, Execution
from tokentrail.compose.embedded.clickhouse_http.failures import ClickHouseFailure, no_room
from tokentrail.compose.embedded.clickhouse_http.origin import refuse_web_pages
from tokentrail.compose.embedded.clickhouse_http.request import Request, parse_request
from tokentrail.compose.embedded.clickhouse_http.sessions import Sessions
from tokentrail.compose.embedded.clickhouse_http.spool import Spool
from tokentrail.compose.embedded.clickhouse_http.store import Store

_T = TypeVar("_T")

# More than two cores can use, so that a few long queries do not keep short ones waiting.
_THREADS = 24
# Not worth a frame and a turn in another thread.
_SMALL_BYTES = 1 << 10
_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
    "Parquet": "application/octet-stream",
}


class Front:
    """Answers ClickHouse's HTTP requests from one store."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts
        self._sessions = Sessions(store, time.monotonic)
        self._execution = Execution(store, self._sessions)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="query")
        self._spool = store.path / "spool"
        self._spool.mkdir(exist_ok=True)
        self._running: set[Future[Any]] = set()

    def application(self) -> web.Application:
        """Return the aiohttp application, which answers programs and no web pages.

        Run it with `auto_decompress=False`: bodies are decompressed here.
        """
        application = web.Application(middlewares=[refuse_web_pages])
        for path in ("/ping", "/replicas_status"):
            application.router.add_get(path, _ok)
        for path in ("/", "/query"):
            application.router.add_route("GET", path, self._handle)
            application.router.add_route("POST", path, self._handle)
        return application

    def close(self, deadline_s: float) -> None:
        """Wait for running statements, stop those that outlast the deadline, and close all sessions. Blocks."""
        _, late = wait(list(self._running), timeout=deadline_s)
        if late:
            self._execution.stop_all(self._accounts.owner)
        self._threads.shutdown(wait=True)
        self._sessions.close()

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        if http.method == "GET" and not http.query_string:
            return await _ok(http)
        headers = {
            "X-ClickHouse-Server-Display-Name": "tokentrail-embedded",
            "X-ClickHouse-Timezone": self._store.timezone,
            "X-ClickHouse-Query-Id": http.query.get("query_id") or str(uuid.uuid4()),
        }
        try:
            account = self._accounts.authenticate(http.headers, http.query)
            request = parse_request(http.method, http.headers, http.query, account, headers["X-ClickHouse-Query-Id"])
            with await self._read_body(http) as body:
                answer = await self._run(request, account, body)
            return await self._respond(http, request, answer, headers)
        except ClickHouseFailure as failure:
            return _failed(failure, headers)

    async def _in_thread(self, call: Callable[..., _T], *arguments: object) -> _T:
        future = self._threads.submit(call, *arguments)
        self._running.add(future)
        future.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(future)

    async def _read_body(self, http: web.Request) -> Spool:
        body = Spool(self._spool)
        try:
            async for chunk in http.content.iter_any():
                body.write(chunk)
            body.seek(0)
            encoding = http.headers.get("Content-Encoding", "").strip().lower()
            if not encoding or encoding == "identity":
                return body
            with body:
                return await self._in_thread(_decompressed, encoding, body, self._spool)
        except ConnectionError:
            body.close()
            raise
        except OSError as error:
            body.close()
            raise no_room(error) from error

    async def _run(self, request: Request, account: Account, body: Spool) -> Answer:
        running = asyncio.ensure_future(self._in_thread(self._execution.run, request, account, body))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # The client has gone. What writes runs to its end; what only reads is of no use to anybody.
            running.add_done_callback(self._discard)
            self._abandon(request)
            await asyncio.wait([running])
            raise

    def _abandon(self, request: Request) -> None:
        if request.cancel_on_disconnect:
            self._threads.submit(self._execution.stop_reading, request, self._accounts.owner)

    def _discard(self, running: asyncio.Future[Answer]) -> None:
        if not running.cancelled() and running.exception() is None:
            self._threads.submit(running.result().close)

    async def _respond(
        self, http: web.Request, request: Request, answer: Answer, headers: dict[str, str]
    ) -> web.StreamResponse:
        headers["X-ClickHouse-Format"] = answer.format
        headers["Content-Type"] = _CONTENT_TYPES.get(answer.format, "text/plain; charset=UTF-8")
        encoding = choose(http.headers.get("Accept-Encoding", "")) if request.compress_response else None
        if answer.outcome is None:
            try:
                return await self._stream(http, answer, encoding, headers)
            except BaseException:
                # The client has gone before the end.
                self._abandon(request)
                self._threads.submit(answer.close)
                raise
        headers["X-ClickHouse-Summary"] = _summary(answer.outcome)
        body = answer.outcome.body
        if encoding and len(body) > _SMALL_BYTES:
            body = await self._in_thread(_compressed, encoding, body)
            headers["Content-Encoding"] = encoding
        return web.Response(body=body, headers=headers)

    async def _stream(
        self, http: web.Request, answer: Answer, encoding: str | None, headers: dict[str, str]
    ) -> web.StreamResponse:
        tag = secrets.token_hex(8)
        headers["X-ClickHouse-Exception-Tag"] = tag
        headers["X-ClickHouse-Summary"] = _summary(Outcome())
        encoder = Encoder(encoding) if encoding else None
        if encoding:
            headers["Content-Encoding"] = encoding
        response = web.StreamResponse(headers=headers)
        await response.prepare(http)
        try:
            while (block := await self._in_thread(answer.next_block)) is not None:
                piece = await self._in_thread(encoder.compress, block) if encoder else block
                if piece:
                    await response.write(piece)
            trailer = b""
        except ClickHouseFailure as failure:
            trailer = _exception_trailer(failure, tag)
        if encoder:
            trailer = (encoder.compress(trailer) if trailer else b"") + encoder.finish()
        if trailer:
            await response.write(trailer)
        await response.write_eof()
        return response


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n", content_type="text/html", charset="UTF-8")


def _failed(failure: ClickHouseFailure, headers: dict[str, str]) -> web.Response:
    kept = {name: value for name, value in headers.items() if name.startswith("X-ClickHouse-")}
    kept["X-ClickHouse-Exception-Code"] = str(failure.code)
    kept["Content-Type"] = "text/plain; charset=UTF-8"
    return web.Response(status=failure.status, body=(failure.text + "\n").encode(errors="replace"), headers=kept)


def _exception_trailer(failure: ClickHouseFailure, tag: str) -> bytes:
    message = (failure.text + "\n").encode(errors="replace")
    return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (
        tag.encode(),
        message,
        len(message),
        tag.encode(),
    )


def _summary(outcome: Outcome) -> str:
    return orjson.dumps(
        {
            "read_rows": str(outcome.read_rows),
            "read_bytes": str(outcome.read_bytes),
            "written_rows": str(outcome.written_rows),
            "written_bytes": str(outcome.written_bytes),
            "total_rows_to_read": "0",
            "result_rows": str(outcome.result_rows or outcome.written_rows),
            "result_bytes": str(len(outcome.body) or outcome.written_bytes),
            "elapsed_ns": str(round(outcome.elapsed_s * 1e9)),
        }
    ).decode()


def _compressed(encoding: str, body: bytes) -> bytes:
    encoder = Encoder(encoding)
    return encoder.compress(body) + encoder.finish()


def _decompressed(encoding: str, body: Spool, directory: Path) -> Spool:
    plain = Spool(directory)
    try:
        decompress(encoding, body, plain)
    except BaseException:
        plain.close()
        raise
    plain.seek(0)
    return plain
