"""Kafka's jars, from a small registry on loopback that behaves as badly as a test wants."""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tokentrail.compose.embedded.jars import ensure_jars, shipped_sums
from tokentrail.errors import DownloadError

_JARS = {
    "org/example/one/1.0/one-1.0.jar": b"first jar",
    "org/example/two/2.0/two-2.0.jar": b"second jar" * 1000,
}
_SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in _JARS.items()}


class Registry(ThreadingHTTPServer):
    """Serves `files`; what is in `cut_short` breaks off in the middle."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = dict(_JARS)
        self.cut_short: set[str] = set()
        self.served: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        name = self.path.removeprefix("/")
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        self.server.served.append(name)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if name in self.server.cut_short else content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with Registry() as server:
        config = tmp_path / "jgo.conf"
        config.write_text(f"[repositories]\nmirror = http://127.0.0.1:{server.server_port}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")


def test_jars_are_downloaded_once_and_used_from_the_cache_after(registry: Registry, tmp_path: Path) -> None:
    paths = ensure_jars(tmp_path / "jars", _SUMS)
    assert [path.read_bytes() for path in paths] == list(_JARS.values())
    registry.files.clear()
    assert ensure_jars(tmp_path / "jars", _SUMS) == paths


def test_a_jar_of_another_content_is_refused_and_does_not_reach_the_cache(registry: Registry, tmp_path: Path) -> None:
    registry.files["org/example/one/1.0/one-1.0.jar"] = b"something else"
    with pytest.raises(DownloadError, match=r"one-1\.0\.jar: the registry's file has not the SHA-256 sum"):
        ensure_jars(tmp_path / "jars", _SUMS)
    assert not (tmp_path / "jars").exists()


def test_an_interrupted_download_goes_on_with_the_jars_it_lacks(registry: Registry, tmp_path: Path) -> None:
    registry.cut_short.add("org/example/two/2.0/two-2.0.jar")
    with pytest.raises(DownloadError, match="could not be downloaded"):
        ensure_jars(tmp_path / "jars", _SUMS)
    registry.cut_short.clear()
    registry.served.clear()
    ensure_jars(tmp_path / "jars", _SUMS)
    assert registry.served == ["org/example/two/2.0/two-2.0.jar"]


def test_a_jar_damaged_in_the_cache_is_fetched_again(registry: Registry, tmp_path: Path) -> None:
    first, second = ensure_jars(tmp_path / "jars", _SUMS)
    first.write_bytes(b"damaged")
    registry.served.clear()
    ensure_jars(tmp_path / "jars", _SUMS)
    assert first.read_bytes() == b"first jar"
    assert second.exists()
    assert registry.served == ["org/example/one/1.0/one-1.0.jar"]


def test_without_network_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "none.conf"))
    with pytest.raises(DownloadError, match=r"the registry cannot be reached.*connect this machine to the network"):
        ensure_jars(tmp_path / "jars", _SUMS)


def test_several_at_once_download_together_what_one_would(registry: Registry, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: ensure_jars(tmp_path / "jars", _SUMS), range(4)))
    assert all(paths == found[0] for paths in found)
    assert sorted(registry.served) == sorted(_JARS)


def test_the_shipped_list_names_jars_and_no_address() -> None:
    sums = shipped_sums()
    assert "org/apache/kafka/kafka_2.13/4.3.1/kafka_2.13-4.3.1.jar" in sums
    assert all(name.endswith(".jar") and ":" not in name for name in sums)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in sums.values())
