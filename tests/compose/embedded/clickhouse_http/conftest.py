"""A real engine process of this folder's own: its tests kill it, fill its disk and give it other passwords."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

READER_PASSWORD = "read me"


class EngineProcess:
    def __init__(self, data: Path, port: int | None = None) -> None:
        self.data = data
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._ready = data.parent / f"{data.name}.ready"
        self.start()

    def start(self) -> None:
        self._ready.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(str(self._ready))
            notified.settimeout(60)
            self.process = launch(self.data, self.port, {"NOTIFY_SOCKET": str(self._ready)})
            assert notified.recv(1024) == b"READY=1"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def client(self, **options: object) -> Client:
        return clickhouse_connect.get_client(host="127.0.0.1", port=self.port, **options)  # type: ignore[arg-type]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launch(
    data: Path, port: int, environ: dict[str, str] | None = None, directory: Path | None = None
) -> subprocess.Popen[bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOKENTRAIL_")}
    clean["TOKENTRAIL_CLICKHOUSE_READER_PASSWORD"] = READER_PASSWORD
    command = [sys.executable, "-m", "tokentrail.compose.embedded.engine", "--data", str(data), "--port", str(port)]
    return subprocess.Popen(
        command,
        env=clean | (environ or {}),
        cwd=directory or data.parent,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def engine_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    process = EngineProcess(tmp_path_factory.mktemp("engine") / "data")
    yield process
    process.kill()


@pytest.fixture
def start_engine() -> Iterator[Callable[[Path], EngineProcess]]:
    started: list[EngineProcess] = []

    def start(data: Path) -> EngineProcess:
        started.append(EngineProcess(data))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def launch_engine(tmp_path: Path) -> Callable[[Path, int], subprocess.Popen[bytes]]:
    return lambda data, port: launch(data, port, directory=tmp_path)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def client(engine_process: EngineProcess) -> Iterator[Client]:
    with engine_process.client() as owner:
        owner.command("CREATE DATABASE IF NOT EXISTS trail")
        yield owner
        owner.command("DROP DATABASE trail")


@pytest.fixture
def reader(engine_process: EngineProcess) -> Iterator[Client]:
    with engine_process.client(username="tokentrail_reader", password=READER_PASSWORD) as limited:
        yield limited
