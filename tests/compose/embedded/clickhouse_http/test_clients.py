import asyncio
import base64
import http.client
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

pytestmark = pytest.mark.engine

ROWS = 20_000


def get(url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, Any]:
    address, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(address)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET" if body is None else "POST", f"/{path}", body, named)
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def create_calls(client: Client) -> None:
    client.command(
        "CREATE TABLE trail.calls (offset UInt64, time DateTime64(6, 'UTC'), model LowCardinality(String), "
        "cost Decimal(18, 9), tags Map(String, String), error Nullable(String)) ENGINE = MergeTree ORDER BY offset"
    )


def a_call(offset: int) -> list[object]:
    return [
        offset,
        datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
        f"model-{offset % 3}",
        Decimal("0.000000001"),
        {"a": "b"},
        None,
    ]


@pytest.mark.parametrize("compression", [False, "lz4", "zstd", "gzip"])
def test_every_row_inserted_with_a_compression_is_counted_and_read_back(
    engine_process: Any, client: Client, compression: Literal[False] | str
) -> None:
    create_calls(client)
    rows = [a_call(offset) for offset in range(ROWS)]
    with engine_process.client(compress=compression, database="trail") as compressing:
        assert compressing.insert("calls", rows).written_rows == ROWS
        assert compressing.query("SELECT * FROM calls ORDER BY offset", tz_mode="aware").result_rows == [
            tuple(row) for row in rows
        ]


def test_one_insert_of_several_blocks_becomes_one_part(client: Client) -> None:
    create_calls(client)
    client.insert("trail.calls", [a_call(offset) for offset in range(ROWS)])
    parts = client.query("SELECT rows FROM system.parts WHERE database = 'trail'").result_rows
    assert parts == [(ROWS,)]


def test_an_insert_that_a_view_refuses_is_an_error(client: Client) -> None:
    client.command("CREATE TABLE trail.log (x UInt64) ENGINE = MergeTree ORDER BY x")
    client.command(
        "CREATE MATERIALIZED VIEW trail.view ENGINE = MergeTree ORDER BY x "
        "AS SELECT throwIf(x = 7, 'seven') AS x FROM trail.log"
    )
    assert client.insert("trail.log", [[6]]).written_rows == 2
    with pytest.raises(DatabaseError, match="seven"):
        client.insert("trail.log", [[7]])


def test_a_body_larger_than_memory_is_meant_for_is_stored_as_one_insert(client: Client) -> None:
    client.command("CREATE TABLE trail.log (x UInt64, y String) ENGINE = MergeTree ORDER BY x")
    body = b"".join(b"%d\t%b\n" % (number, b"y" * 1000) for number in range(70_000))
    assert client.raw_insert("trail.log", insert_block=body, fmt="TSV").written_rows == 70_000
    assert client.query("SELECT count(), sum(length(y)) FROM trail.log").result_rows == [(70_000, 70_000_000)]


def test_an_arrow_table_fills_a_table_and_its_view_and_both_are_counted(client: Client) -> None:
    client.command("CREATE TABLE trail.log (offset UInt64, payload String) ENGINE = MergeTree ORDER BY offset")
    client.command("CREATE TABLE trail.sizes (offset UInt64, bytes UInt64) ENGINE = MergeTree ORDER BY offset")
    client.command(
        "CREATE MATERIALIZED VIEW trail.view TO trail.sizes AS SELECT offset, length(payload) AS bytes FROM trail.log"
    )
    table = pa.table({"offset": pa.array(range(ROWS), pa.uint64()), "payload": ["x" * 20] * ROWS})
    assert client.insert_arrow("trail.log", table).written_rows == 2 * ROWS
    assert client.query("SELECT count(), sum(bytes) FROM trail.sizes").result_rows == [(ROWS, 20 * ROWS)]
    assert client.query_arrow("SELECT * FROM trail.log").num_rows == ROWS


def test_bound_parameters_arrive_as_they_were(client: Client) -> None:
    values = {"text": "it's\t\\a\n{x} ü", "numbers": [1, 2], "time": datetime(2026, 1, 2, 3, 4, 5), "none": None}  # noqa: DTZ001 - DateTime without a zone
    query = "SELECT {text:String}, {numbers:Array(UInt8)}, {time:DateTime}, {none:Nullable(String)}"
    assert client.query(query, parameters=values).result_rows == [tuple(values.values())]


def test_settings_hold_for_their_query_only(client: Client) -> None:
    query = "SELECT getSetting('max_threads')"
    before = client.query(query).result_rows
    assert client.query(query, settings={"max_threads": 1}).result_rows == [(1,)]
    assert client.query(query).result_rows == before


def test_a_session_keeps_temporary_tables_and_settings_to_itself(engine_process: Any, client: Client) -> None:
    client.command("CREATE TEMPORARY TABLE mine (x UInt8)")
    client.insert("mine", [[1], [2]], column_names=["x"])
    client.command("SET max_block_size = 17")
    assert client.query("SELECT sum(x), getSetting('max_block_size') FROM mine").result_rows == [(3, 17)]
    with engine_process.client(database="trail") as other:
        assert other.query("SELECT getSetting('max_block_size') != 17").result_rows == [(True,)]
        with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
            other.query("SELECT * FROM mine")


def test_a_result_is_streamed_block_by_block(client: Client) -> None:
    with client.query_row_block_stream("SELECT number FROM numbers(300000)") as blocks:
        sizes = [len(block) for block in blocks]
    assert sum(sizes) == 300_000
    assert len(sizes) > 1


def test_an_error_in_the_middle_of_a_stream_reaches_the_client(client: Client) -> None:
    query = "SELECT throwIf(number = 250000, 'enough') FROM numbers(300000)"
    with pytest.raises((StreamFailureError, DatabaseError), match="enough"), client.query_rows_stream(query) as rows:
        list(rows)


@pytest.mark.parametrize(
    ("statement", "code", "status"),
    [
        ("SELEC 1", 62, 400),
        ("SELECT nope", 47, 404),
        ("SELECT * FROM trail.nope", 60, 404),
        ("SELECT 1; SELECT 2", 62, 400),
        ("SELECT throwIf(1)", 395, 500),
        ("", 62, 400),
        ("CREATE TABLE trail.k (x UInt8) ENGINE = Kafka('a:1', 't', 'g', 'CSV')", 56, 404),
        ("CREATE TABLE trail.k (x UInt8) ENGINE = KeeperMap('/k') PRIMARY KEY x", 56, 404),
        ("CREATE TABLE trail.k ON CLUSTER c (x UInt8) ENGINE = Memory", 701, 500),
        ("CREATE USER somebody", 514, 500),
        ("SYSTEM SHUTDOWN", 497, 403),
        ("SELECT file('/etc/hostname')", 497, 403),
        ("SELECT * FROM url('http://127.0.0.1:1/')", 497, 403),
        ("SELECT 1 INTO OUTFILE '/tmp/never'", 48, 501),
    ],
)
def test_errors_have_clickhouses_code_and_status(
    engine_process: Any, client: Client, statement: str, code: int, status: int
) -> None:
    assert client.ping()
    answered, body, headers = get(f"{engine_process.url}/?query_id=it", statement.encode())
    assert (answered, headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert body.startswith(f"Code: {code}. DB::Exception: ".encode())


@pytest.mark.parametrize(
    "values",
    [
        "VALUES (file('/etc/hostname'))",
        "VALUES ('it''s') ('\\'') (/* ' */ `file`('/etc/hostname'))",
        "FORMAT Values ('a'), (\"fi\\x6ce\"('/etc/hostname'))",
        "VALUES ($a$'$a$), (file('/etc/hostname')), ('')",
        "SELECT \"fi\\x6ce\"('/etc/hostname')",
    ],
)
def test_values_call_nothing_that_reads_files(engine_process: Any, client: Client, values: str) -> None:
    client.command("CREATE TABLE trail.words (x String) ENGINE = Memory")
    status, body, _ = get(f"{engine_process.url}/", f"INSERT INTO trail.words {values}".encode())
    assert (status, body[:9]) == (403, b"Code: 497")
    words = "INSERT INTO trail.words VALUES ('file(1)'), ('it''s eval \\x41'), (upper('file'))"
    assert get(f"{engine_process.url}/", words.encode())[0] == 200
    assert client.query("SELECT x FROM trail.words").result_rows == [("file(1)",), ("it's eval A",), ("FILE",)]


def test_rows_of_a_failed_query_never_show_up_in_the_next_answer(engine_process: Any) -> None:
    for _ in range(3):
        failed = get(
            f"{engine_process.url}/", b"SELECT throwIf(number = 150000), number FROM numbers(200000) FORMAT JSON"
        )
        assert failed[0] == 500
        assert get(f"{engine_process.url}/", b"SELECT 'clean'")[1] == b"clean\n"


def test_a_query_is_answered_as_curl_and_grafana_ask_it(engine_process: Any) -> None:
    url = engine_process.url
    basic = "Basic " + base64.b64encode(b"default:").decode()
    assert get(f"{url}/")[1] == get(f"{url}/ping")[1] == get(f"{url}/replicas_status")[1] == b"Ok.\n"
    assert get(f"{url}/?query=SELECT%201&default_format=JSONEachRow")[1] == b'{"1":1}\n'
    assert get(f"{url}/?user=default&password=", b"SELECT 2", Authorization=basic)[1] == b"2\n"
    status, body, headers = get(
        f"{url}/?query_id=mine", b"SELECT 3", X_ClickHouse_User="default", X_ClickHouse_Format="CSV"
    )
    assert (status, body, headers["X-ClickHouse-Format"], headers["X-ClickHouse-Query-Id"]) == (
        200,
        b"3\n",
        "CSV",
        "mine",
    )
    status, _, headers = get(f"{url}/?query=DROP%20DATABASE%20trail")
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (500, "164")


@pytest.mark.parametrize("user", ["default", "tokentrail_reader", "nobody"])
def test_a_wrong_user_or_password_is_told_apart_by_nobody(engine_process: Any, user: str) -> None:
    status, body, _ = get(f"{engine_process.url}/?user={user}&password=wrong", b"SELECT 1")
    assert (status, body.partition(b": ")[2][:4]) == (403, b"516.")
    with pytest.raises(DatabaseError, match="516"):
        engine_process.client(username=user, password="wrong")


async def test_the_async_client_runs_queries_at_the_same_time(engine_process: Any) -> None:
    async with await clickhouse_connect.get_async_client(host="127.0.0.1", port=engine_process.port) as client:
        answers = await asyncio.gather(*(client.query(f"SELECT {number}, sleep(0.2)") for number in range(8)))
        assert [answer.result_rows[0][0] for answer in answers] == list(range(8))


async def test_a_running_insert_is_seen_by_its_query_id_until_it_ends(engine_process: Any, client: Client) -> None:
    client.command("CREATE TABLE trail.slow (x UInt8) ENGINE = MergeTree ORDER BY x")
    client.command(
        "CREATE MATERIALIZED VIEW trail.slower ENGINE = MergeTree ORDER BY x AS SELECT x, sleep(1) AS y FROM trail.slow"
    )
    running = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = 'block-7'"
    async with await clickhouse_connect.get_async_client(host="127.0.0.1", port=engine_process.port) as other:
        insert = asyncio.create_task(
            other.insert("trail.slow", [[1]], column_names=["x"], settings={"query_id": "block-7"})
        )
        async with asyncio.timeout(10):
            while not (await asyncio.to_thread(client.command, running)):
                pass
        await insert
    assert client.command(running) == 0
