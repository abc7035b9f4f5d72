"""A small OpenAI-compatible server on a free port, and everything one needs to watch what the shim records."""

import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from tokentrail.producers.fingerprints import Fingerprints
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.trail import default_scribe
from tokentrail.schemas.decoding import Rejected, decode_event
from tokentrail.schemas.events import CallCompleted, CallStarted

USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 30,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 10, "audio_tokens": 0},
}


def _answer(model: str) -> dict[str, object]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": f"{model}-2026-01-01",
        "service_tier": "default",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello there."}, "finish_reason": "stop"},
        ],
        "usage": USAGE,
    }


def _chunks(model: str, *, with_usage: bool) -> list[dict[str, object]]:
    def chunk(delta: dict[str, object], reason: str | None = None) -> dict[str, object]:
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": f"{model}-2026-01-01",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        }

    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"content": word}) for word in ("Hel", "lo ", "thére", "\r\n.")]
    chunks.append(chunk({}, "stop"))
    if with_usage:
        last = chunk({})
        last["choices"] = []
        last["usage"] = USAGE
        chunks.append(last)
    return chunks


class _Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    attempts: ClassVar[Counter[str]] = Counter()
    release = threading.Event()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        model = body["model"]
        self.attempts[model] += 1
        if model.startswith("refused"):
            key = self.headers["authorization"].removeprefix("Bearer ")
            self._fail(401, "invalid_api_key", f"Incorrect API key provided: {key}. See https://u:p4ssw0rd@example.com")
        elif model.startswith("busy") and self.attempts[model] == 1:
            self._fail(429, "rate_limit_exceeded", "Slow down.", {"retry-after-ms": "1"})
        elif model.startswith("broken"):
            self._fail(500, "server_error", "The server had an error.")
        elif model.startswith("slow"):
            self.release.wait(5)
            self.close_connection = True
        elif body.get("stream"):
            self._stream(model)
        else:
            self._send(200, json.dumps(_answer(model)).encode(), zipped=model.startswith("zipped"))

    def _fail(self, code: int, kind: str, message: str, headers: dict[str, str] | None = None) -> None:
        error = {"error": {"message": message, "type": kind, "code": kind, "param": None}}
        self._send(code, json.dumps(error).encode(), headers=headers)

    def _send(self, code: int, body: bytes, *, zipped: bool = False, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("x-request-id", "req_42")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if zipped:
            body = gzip.compress(body)
            self.send_header("content-encoding", "gzip")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, model: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("x-request-id", "req_43")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in _chunks(model, with_usage="nousage" not in model):
            self._piece(b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n")
            if model.startswith("cut"):
                self.close_connection = True
                return
            time.sleep(0.001)
        if model.startswith("failing"):
            self._piece(b'data: {"error": {"message": "overloaded", "type": "server_error", "code": null}}\n\n')
        self._piece(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _piece(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # some tests have 64 threads that call at once

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are what some tests are about."""


@pytest.fixture(scope="session")
def provider_url() -> Iterator[str]:
    """Address of the provider, as an SDK's `base_url`."""
    server = _Server(("127.0.0.1", 0), _Provider)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    _Provider.release.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _fresh_provider() -> None:
    _Provider.attempts.clear()


@pytest.fixture(autouse=True)
def _pepper_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokentrail.producers.fingerprints.default_fingerprints", lambda: Fingerprints(b"of the tests"))


class Trail:
    """A recorder with everything it has recorded."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.recorder = Recorder(self.records.append, service="checkout", environment="test")

    @property
    def events(self) -> list[CallStarted | CallCompleted]:
        """Every event, read as a consumer reads it."""
        assert default_scribe().flush(10)
        decoded = [decode_event(record.value) for record in self.records]
        assert not [event for event in decoded if isinstance(event, Rejected)]
        return [event for event in decoded if isinstance(event, (CallStarted, CallCompleted))]

    @property
    def started(self) -> list[CallStarted]:
        """Every started event."""
        return [event for event in self.events if isinstance(event, CallStarted)]

    @property
    def completed(self) -> list[CallCompleted]:
        """Every completed event."""
        return [event for event in self.events if isinstance(event, CallCompleted)]

    @property
    def only(self) -> CallCompleted:
        """The one completed event there is, after its started event."""
        assert [type(event) for event in self.events] == [CallStarted, CallCompleted]
        return self.completed[0]


@pytest.fixture
def trail() -> Trail:
    """An empty trail."""
    return Trail()
