import http.client
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.engine

KILLS = 5


def create_log(client: Client) -> None:
    client.command("CREATE DATABASE IF NOT EXISTS trail")
    client.command("CREATE TABLE IF NOT EXISTS trail.log (x UInt64, y String) ENGINE = MergeTree ORDER BY x")


def count(client: Client) -> int:
    return int(client.query("SELECT count() FROM trail.log").result_rows[0][0])


@pytest.mark.parametrize("sent", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("transfer", ["whole", "chunked"])
def test_nothing_is_stored_when_a_client_is_gone_before_its_last_byte(
    engine_process: Any, client: Client, sent: float, transfer: str
) -> None:
    create_log(client)
    rows = b"".join(b"%d\tx\n" % number for number in range(20_000))
    head = b"POST /?query=INSERT+INTO+trail.log+FORMAT+TSV HTTP/1.1\r\nHost: x\r\n"
    part = rows[: int(len(rows) * sent)]
    with socket.create_connection(("127.0.0.1", engine_process.port)) as gone:
        if transfer == "chunked":
            gone.sendall(
                head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"%x\r\n%b\r\n" % (len(part), part) if part else b"")
            )
        else:
            gone.sendall(head + b"Content-Length: %d\r\n\r\n%b" % (len(rows), part))
        gone.shutdown(socket.SHUT_WR)
        while gone.recv(65536):
            pass
    assert count(client) == 0


def test_a_body_that_ends_in_the_middle_of_a_row_is_an_error_and_stores_nothing(
    engine_process: Any, client: Client
) -> None:
    create_log(client)
    body = client.raw_query("SELECT number AS x, 'y' AS y FROM numbers(1000) FORMAT Native")
    connection = http.client.HTTPConnection("127.0.0.1", engine_process.port)
    connection.request("POST", "/?query=INSERT+INTO+trail.log+FORMAT+Native", body[:-3])
    response = connection.getresponse()
    assert (response.status, response.headers["X-ClickHouse-Exception-Code"]) == (500, "33")
    assert response.read().startswith(b"Code: 33. DB::Exception: Cannot read all data.")
    assert count(client) == 0
    connection.request("POST", "/?query=INSERT+INTO+trail.log+FORMAT+Native", body)
    assert json.loads(connection.getresponse().headers["X-ClickHouse-Summary"])["written_rows"] == "1000"


def test_every_acknowledged_insert_survives_kill_9(tmp_path: Path, start_engine: Any) -> None:
    engine = start_engine(tmp_path / "data")
    acknowledged = 0
    for _ in range(KILLS):
        with engine.client() as client:
            create_log(client)
            assert count(client) >= acknowledged
            stored = count(client)
            ready, done = threading.Event(), list[int]()
            inserting = threading.Thread(target=_insert_until_killed, args=(client, ready, done))
            inserting.start()
            ready.wait(30)
            engine.kill()
            inserting.join()
            acknowledged = stored + 100 * len(done)
        engine.start()
    with engine.client() as client:
        assert count(client) in (acknowledged, acknowledged + 100)


def _insert_until_killed(client: Client, ready: threading.Event, done: list[int]) -> None:
    rows = [[number, "y"] for number in range(100)]
    while True:
        try:
            client.insert("trail.log", rows)
        except Exception:  # noqa: BLE001 - whatever a killed engine looks like to its client
            return
        done.append(1)
        if len(done) == 3:
            ready.set()


def test_sigterm_lets_a_running_insert_finish_and_keeps_it(tmp_path: Path, start_engine: Any) -> None:
    engine = start_engine(tmp_path / "data")
    client = engine.client()
    create_log(client)
    client.command(
        "CREATE MATERIALIZED VIEW trail.slow ENGINE = MergeTree ORDER BY x AS SELECT x, sleep(1) AS y FROM trail.log"
    )
    written: list[int] = []
    insert = threading.Thread(target=lambda: written.append(client.insert("trail.log", [[1, "y"]]).written_rows))
    insert.start()
    with engine.client() as other:
        while not other.command("SELECT count() FROM system.processes WHERE query_kind = 'Insert'"):
            pass
    assert engine.stop() == 0
    insert.join()
    assert written == [2]
    engine.start()
    with engine.client() as again:
        assert count(again) == 1


def test_a_second_engine_on_the_same_directory_or_port_ends_with_one_sentence(
    engine_process: Any, tmp_path: Path, launch_engine: Any, port: int
) -> None:
    for data, number, sentence in (
        (engine_process.data, port, b"Another process has the ClickHouse data in "),
        (tmp_path / "data", engine_process.port, b"in use; stop what listens there"),
        (Path("/proc/nowhere"), port, b"cannot be made"),
    ):
        second = launch_engine(data, number)
        assert second.wait(60) == 1
        said = second.stderr.read()
        assert said.startswith(b"tokentrail: ")
        assert sentence in said
        assert said.count(b"\n") == 1


def test_one_name_for_owner_and_reader_is_refused_at_the_start(launch_engine: Any, tmp_path: Path, port: int) -> None:
    (tmp_path / "tokentrail.toml").write_text('clickhouse_reader_user = "default"')
    engine = launch_engine(tmp_path / "data", port)
    assert engine.wait(60) == 1
    assert engine.stderr.read().startswith(b"tokentrail: clickhouse_user and clickhouse_reader_user are both 'default'")
