"""A server that answers as the providers did: recorded exchanges, one after the other, as a script says."""

import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from recorded_exchanges import answer_bytes, load_exchange

_HOLD_S: Final = 20.0
_STREAMED: Final = ("sse", "json_lines", "frames")
_HOP_BY_HOP: Final = frozenset(("content-length", "transfer-encoding", "connection"))


class Answer(NamedTuple):
    """One answer of the script: a recorded exchange, the headers that are to differ, and where to fall silent."""

    exchange: str
    headers: Mapping[str, str | None] = {}
    """In place of the recorded ones; None leaves a header out."""
    held_after: int | None = None
    """So many pieces of the body are sent, then nothing more; with 0 not even the headers."""
    asked_as: str | None = None
    """The exchange whose request this one answers, if not its own."""


class Received(NamedTuple):
    """A request as it came."""

    provider: str
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


class ProviderServer:
    """What the servers of all providers share: the script, and what was asked of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: deque[Answer] = deque()
        self._released = threading.Event()
        self._ports: dict[str, int] = {}
        self.received: list[Received] = []
        self.surprises: list[str] = []

    def url_of(self, provider: str) -> str:
        """Return the address of a provider, with no path."""
        return f"http://127.0.0.1:{self._ports[provider]}"

    @property
    def relays(self) -> dict[str, str]:
        """Every provider's address by its name, as `tokentrail.install` takes them."""
        return {provider: self.url_of(provider) for provider in self._ports}

    def begin(self, answers: Iterable[Answer]) -> None:
        """Answer the next requests so, in this order; forget the ones before."""
        with self._lock:
            self._answers = deque(answers)
            self._released = threading.Event()
            self.received, self.surprises = [], []

    def end(self) -> None:
        """Let held answers go; what the script still has is a surprise."""
        self._released.set()
        with self._lock:
            self.surprises += [f"{answer.exchange} was not asked for" for answer in self._answers]
            self._answers.clear()

    def take(self, request: Received) -> tuple[Answer | None, threading.Event]:
        """Note a request, and return what is to be answered; None where the script has nothing for it."""
        with self._lock:
            self.received.append(request)
            answer = self._answers.popleft() if self._answers else None
            asked = (request.provider, request.method, _path(request.target))
            if answer is None or asked != _address(answer):
                self.surprises.append(f"{asked} was asked, not {answer and _address(answer)}")
                answer = None
            return answer, self._released

    def listen(self, provider: str) -> ThreadingHTTPServer:
        """Begin to serve one provider on a free port."""
        server = _Listener(("127.0.0.1", 0), type(f"{provider}Handler", (_Handler,), {"shared": self, "of": provider}))
        self._ports[provider] = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server


@contextmanager
def provider_server(exchanges: Iterable[str]) -> Iterator[ProviderServer]:
    """Serve the providers of these exchanges, each at a port of its own."""
    shared = ProviderServer()
    listeners = [shared.listen(name) for name in sorted({load_exchange(one)["provider"] for one in exchanges})]
    try:
        yield shared
    finally:
        shared.end()
        for listener in listeners:
            listener.shutdown()
            listener.server_close()


def _address(answer: Answer) -> tuple[str, str, str]:
    recorded = load_exchange(answer.asked_as or answer.exchange)
    return recorded["provider"], recorded["method"], _path(recorded["url"])


def _path(url: str) -> str:
    """Return the path; Gemini's stable version answers as its beta does."""
    return unquote(urlsplit(url).path).replace("/v1beta/models/", "/v1/models/")


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    shared: ProviderServer
    of: str

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        request = Received(self.of, self.command, self.path, list(self.headers.items()), body)
        answer, released = self.shared.take(request)
        if answer is None:
            self._send(418, {"content-type": "application/json"}, [b'{"error": {"message": "not in the script"}}'])
            return
        response = load_exchange(answer.exchange)["response"]
        headers: dict[str, str | None] = {**response["headers"], **answer.headers}
        pieces = _pieces(response)
        if answer.held_after is None:
            self._send(response["status"], headers, pieces)
            return
        self.close_connection = True
        if answer.held_after:
            self._send(response["status"], headers, pieces[: answer.held_after], ends=False)
        released.wait(_HOLD_S)

    do_GET = do_POST  # noqa: N815 - the name that http.server asks for

    def _send(self, code: int, headers: Mapping[str, str | None], pieces: list[bytes], *, ends: bool = True) -> None:
        self.send_response_only(code)
        for name, value in headers.items():
            if value is not None and name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        chunked = len(pieces) > 1 or not ends
        if chunked:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(len(pieces[0])))
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked and ends:
            self.wfile.write(b"0\r\n\r\n")


def _pieces(response: dict[str, Any]) -> list[bytes]:
    for streamed in _STREAMED:
        if streamed in response:
            return [answer_bytes({"response": {streamed: [one]}}) for one in response[streamed]]
    return [answer_bytes({"response": response})]


def asked(exchange: str, **changes: Any) -> dict[str, Any]:
    """Return the JSON of an exchange's request, as most SDKs take it for keyword arguments."""
    body: dict[str, Any] = json.loads(json.dumps(load_exchange(exchange)["request_body"]))
    return {**body, **changes}
