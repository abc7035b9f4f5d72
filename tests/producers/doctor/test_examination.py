"""What the doctor says of a provider as a whole."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tokentrail.producers.doctor.examination import examine
from tokentrail.producers.doctor.findings import Finding, Verdict

KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCD"


class Models(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"data": [{"id": "gpt-x"}]}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Models) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def checked(check: str, findings: list[Finding]) -> Finding:
    return next(finding for finding in findings if finding.check == check and finding.about != "settings")


def test_a_base_url_that_is_not_recorded_is_told_of(url: str) -> None:
    findings = list(examine({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url}))
    assert (checked("relays", findings).about, url in checked("relays", findings).what) == ("openai", True)


@pytest.mark.parametrize(
    ("proxies", "advice"),
    [
        ({}, "Where a proxy must be used, set HTTP_PROXY."),
        (
            {"HTTP_PROXY": "http://127.0.0.2:1"},
            "HTTP_PROXY is set, and a likely cause: is 127.0.0.2:1 the right proxy?",
        ),
        (
            {"HTTP_PROXY": "http://127.0.0.2:1", "NO_PROXY": "127.0.0.1"},
            "NO_PROXY is set, and a likely cause: it keeps calls to 127.0.0.1 from the proxy of HTTP_PROXY.",
        ),
    ],
)
def test_a_connection_that_fails_may_be_the_proxys_fault(
    monkeypatch: pytest.MonkeyPatch, proxies: dict[str, str], advice: str
) -> None:
    for name, value in proxies.items():
        monkeypatch.setenv(name, value)
    findings = list(examine({"OPENAI_API_KEY": KEY, **proxies}, provider="openai", base_url="http://127.0.0.1:1/v1"))
    failed = checked("tcp", findings)
    assert (failed.verdict, advice in failed.advice) == (Verdict.FAIL, True)
