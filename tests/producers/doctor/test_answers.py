"""What a provider's answer means, from real answers of a local server; the key goes nowhere else."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from tokentrail.producers.doctor.answers import Answer, ask, judge, judge_clock, read_models
from tokentrail.producers.doctor.examination import examine_target
from tokentrail.producers.doctor.findings import Finding, Verdict
from tokentrail.producers.doctor.targets import TARGETS, Target

KEY = "sk-proj-Zq81mWc4Tn70LbXe55yR"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MODELS = {"data": [{"id": f"gpt-{number}"} for number in range(7)]}


class Server(ThreadingHTTPServer):
    """Answers every request in the same way, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.code = 200
        self.body = json.dumps(MODELS).encode()
        self.extra: dict[str, str] = {}
        self.hang_up = False
        self.asked: list[tuple[str, dict[str, str]]] = []

    def handle_error(self, *_: object) -> None:
        """Clients may hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.server.hang_up:
            self.close_connection = True
            return
        self.send_response(self.server.code)
        for name, value in self.server.extra.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join(5)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def placed(server: Server, name: str = "openai") -> Target:
    return msgspec.structs.replace(TARGETS[name], base_url=f"http://127.0.0.1:{server.server_port}/v1")


def answer(code: int = 200, body: bytes = b"", **headers: str) -> Answer:
    return Answer(code=code, headers=headers, body=body, asked=NOW, came=NOW + timedelta(milliseconds=200))


def by_check(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def test_a_good_key_gets_its_models(server: Server) -> None:
    found = by_check(examine_target(placed(server), {"OPENAI_API_KEY": KEY}))
    assert {name: finding.verdict for name, finding in found.items()} == dict.fromkeys(
        ("key", "dns", "tcp", "auth", "models", "clock"), Verdict.OK
    )
    assert found["models"].what.startswith("7 models: gpt-0, gpt-1, gpt-2, gpt-3, gpt-4, … ")
    assert len(found["models"].figures["models"]) == 7
    (path, headers), = server.asked  # fmt: skip
    assert (path, headers["authorization"]) == ("/v1/models", f"Bearer {KEY}")


@pytest.mark.parametrize(
    ("name", "header"), [("anthropic", "x-api-key"), ("gemini", "x-goog-api-key"), ("azure", "api-key")]
)
def test_each_provider_is_given_the_key_in_its_own_way(server: Server, name: str, header: str) -> None:
    ask(placed(server, name), KEY)
    headers = server.asked[0][1]
    assert headers[header] == KEY
    assert "authorization" not in headers


@pytest.mark.parametrize("key", [KEY + "\n", f'"{KEY}"', f" Bearer {KEY}"])
def test_a_key_with_something_around_it_is_tried_without(server: Server, key: str) -> None:
    found = by_check(examine_target(placed(server), {"OPENAI_API_KEY": key}))
    assert (found["key"].verdict, found["auth"].verdict) == (Verdict.FAIL, Verdict.WARN)
    assert "Without what stands around it" in found["auth"].what
    assert server.asked[0][1]["authorization"] == f"Bearer {KEY}"


def test_a_server_of_ones_own_is_asked_without_a_key(server: Server) -> None:
    target = Target(name="local", provider="local", base_url=placed(server).base_url, needs_key=False)
    found = by_check(examine_target(target, {}))
    assert (found["key"].verdict, found["auth"].verdict, found["models"].verdict) == (
        Verdict.WARN,
        Verdict.OK,
        Verdict.OK,
    )
    assert "authorization" not in server.asked[0][1]


@pytest.mark.parametrize("key", ["sk-proj-two halves", "sk-proj-\u200b123456789012345", ""])
def test_a_key_that_cannot_be_sent_is_not(server: Server, key: str) -> None:
    found = by_check(examine_target(placed(server), {"OPENAI_API_KEY": key}))
    assert (found["tcp"].verdict, "auth" in found, server.asked) == (Verdict.OK, False, [])


@pytest.mark.parametrize(
    ("code", "verdict", "words"),
    [
        (401, Verdict.FAIL, "refused"),
        (402, Verdict.FAIL, "no credit"),
        (403, Verdict.FAIL, "not allowed"),
        (404, Verdict.WARN, "no list of models"),
        (407, Verdict.FAIL, "proxy"),
        (418, Verdict.WARN, "answers with 418"),
        (429, Verdict.WARN, "over its limit"),
        (503, Verdict.WARN, "trouble of its own"),
    ],
)
def test_meaning_of_a_status(server: Server, code: int, verdict: Verdict, words: str) -> None:
    server.code = code
    server.body = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode()
    findings = list(examine_target(placed(server), {"OPENAI_API_KEY": KEY}))
    found = by_check(iter(findings))["auth"]
    assert (found.verdict, words in found.what, bool(found.advice)) == (verdict, True, True)
    assert KEY not in str(findings)


def test_gemini_says_it_in_its_own_way() -> None:
    body = b'{"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}'
    (finding,) = judge(TARGETS["gemini"], answer(400, body))
    assert (finding.verdict, "refused" in finding.what) == (Verdict.FAIL, True)


def test_a_redirect_is_not_followed_with_the_key(server: Server) -> None:
    server.code, server.extra = 302, {"location": f"http://localhost:{server.server_port}/elsewhere?key={KEY}"}
    found = by_check(examine_target(placed(server), {"OPENAI_API_KEY": KEY}))["auth"]
    assert (found.verdict, "localhost" in found.what, KEY in found.what) == (Verdict.FAIL, True, False)
    assert len(server.asked) == 1


def test_a_server_that_hangs_up_is_told_of_without_the_request(server: Server) -> None:
    server.hang_up = True
    findings = list(examine_target(placed(server), {"OPENAI_API_KEY": KEY}))
    assert findings[-1].verdict is Verdict.FAIL
    assert KEY not in str(findings)


def test_nobody_listens() -> None:
    target = msgspec.structs.replace(TARGETS["openai"], base_url="http://127.0.0.1:1/v1")
    found = by_check(examine_target(target, {"OPENAI_API_KEY": KEY}))
    assert (found["tcp"].verdict, "refused" in found["tcp"].what, "auth" in found) == (Verdict.FAIL, True, False)


def test_no_tls_is_spoken_there(server: Server) -> None:
    target = msgspec.structs.replace(TARGETS["openai"], base_url=f"https://127.0.0.1:{server.server_port}/v1")
    found = by_check(examine_target(target, {"OPENAI_API_KEY": KEY}))
    assert (found["tls"].verdict, "does not speak TLS" in found["tls"].what) == (Verdict.FAIL, True)


def test_a_proxy_of_the_environment_is_what_is_connected_to(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://user:hunter2@127.0.0.1:{server.server_port}")
    target = msgspec.structs.replace(TARGETS["openai"], base_url="http://llm.example.invalid/v1")
    findings = list(examine_target(target, {"OPENAI_API_KEY": KEY}))
    found = by_check(iter(findings))
    assert (found["proxy"].verdict, found["tcp"].verdict, found["auth"].verdict) == (Verdict.OK,) * 3
    assert server.asked[0][0] == "http://llm.example.invalid/v1/models"
    assert "hunter2" not in str(findings)


def test_a_key_sent_in_the_clear_is_doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokentrail.producers.doctor.examination.check_connection", lambda _: iter(()))
    target = Target(name="relay", provider="relay", base_url="http://llm.example.invalid/v1")
    found = by_check(examine_target(target, {}))
    assert (found["tls"].verdict, "in the clear" in found["tls"].what) == (Verdict.WARN, True)


@pytest.mark.parametrize(
    ("body", "models"),
    [
        (b'{"data": [{"id": "b"}, {"id": "a"}]}', ["a", "b"]),
        (b'{"models": [{"name": "models/gemini-3"}]}', ["gemini-3"]),
        (b'[{"id": "together"}]', ["together"]),
        (b'{"data": [{"id": "\\u001b[31m"}, {"id": 7}, 8]}', []),
        (b'{"data": {}}', None),
        (b"<html>", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_lists_of_models_are_read_in_every_providers_form(body: bytes, models: list[str] | None) -> None:
    assert read_models(body) == models


def test_a_page_instead_of_models_is_doubtful(server: Server) -> None:
    server.body = b"<html>welcome</html>"
    found = by_check(examine_target(placed(server), {"OPENAI_API_KEY": KEY}))
    assert found["models"].verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("offset_s", "verdict", "words"),
    [
        (0, Verdict.OK, "agrees"),
        (2, Verdict.OK, "agrees"),
        (-30, Verdict.WARN, "behind"),
        (30, Verdict.WARN, "ahead of"),
        (-3600, Verdict.FAIL, "behind"),
        (3600, Verdict.FAIL, "ahead of"),
    ],
)
def test_clock_is_compared_with_the_servers(offset_s: int, verdict: Verdict, words: str) -> None:
    date = format_datetime(NOW - timedelta(seconds=offset_s), usegmt=True)
    finding = judge_clock("openai", answer(date=date))
    assert finding is not None
    assert (finding.verdict, words in finding.what) == (verdict, True)


@pytest.mark.parametrize(
    "headers", [{}, {"date": "yesterday"}, {"date": format_datetime(NOW, usegmt=True), "age": "9"}]
)
def test_a_server_that_does_not_tell_its_time_says_nothing_of_the_clock(headers: Any) -> None:
    assert judge_clock("openai", answer(**headers)) is None
