import http.client
import re
import urllib.parse
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

pytestmark = pytest.mark.engine


@pytest.fixture
def table(client: Client) -> str:
    client.command("CREATE TABLE trail.calls (x UInt64) ENGINE = MergeTree ORDER BY x")
    client.insert("trail.calls", [[7]], column_names=["x"])
    return "trail.calls"


def test_a_reader_reads_with_clickhouse_connects_ordinary_client(
    engine_process: Any, reader: Client, table: str
) -> None:
    assert reader.query("SELECT x FROM trail.calls WHERE x = {x:UInt64}", parameters={"x": 7}).result_rows == [(7,)]
    assert reader.command(f"EXISTS TABLE {table}") == 1
    assert reader.query(f"DESCRIBE TABLE {table}").result_rows[0][:2] == ("x", "UInt64")
    assert reader.query("SELECT 'it''s file(1)' AS word").result_rows == [("it's file(1)",)]
    assert engine_process.process.poll() is None


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO trail.calls VALUES (1)",
        "INSERT INTO trail.calls FORMAT CSV\n1",
        "CREATE TABLE trail.other (x UInt8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE other (x UInt8)",
        "CREATE VIEW trail.v AS SELECT 1",
        "CREATE FUNCTION f AS x -> x",
        "ALTER TABLE trail.calls DELETE WHERE 1",
        "DROP TABLE trail.calls",
        "TRUNCATE TABLE trail.calls",
        "OPTIMIZE TABLE trail.calls",
        "CHECK TABLE trail.calls",
        "SYSTEM FLUSH LOGS",
        "SYSTEM STOP MERGES",
        "KILL QUERY WHERE 1",
        "SET readonly = 0",
        "SET max_result_rows = 0",
        "SET ROLE owner",
        "SET ROLE ALL",
        "USE trail",
        "SELECT 1; SET ROLE owner",
        "SET ROLE owner; SELECT 1; nonsense",
        "EXECUTE AS default SELECT 1",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_result_rows = 0",
        "INSERT INTO FUNCTION file('NEVER', CSV) SELECT 1",
        "INSERT INTO trail.calls FROM INFILE '/etc/hostname' FORMAT CSV",
        "SELECT 1 INTO OUTFILE 'NEVER'",
        "BACKUP TABLE trail.calls TO File('NEVER')",
        "SELECT * FROM system.users",
        "SHOW CREATE USER default",
    ],
)
def test_a_reader_changes_nothing(reader: Client, tmp_path: Path, statement: str) -> None:
    with pytest.raises(DatabaseError, match=r"code: (62|164|497)\b"):
        reader.command(statement.replace("NEVER", str(tmp_path / "never")))
    assert reader.query("SELECT x FROM trail.calls").result_rows == [(7,)]
    assert not list(tmp_path.iterdir())


# It holds the reader's password.
SECRET = "/proc/self/environ"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT file('SECRET')",
        "SELECT `file`('SECRET')",
        "SELECT \"fi\\x6ce\"('SECRET')",
        "SELECT /**/ file /* x */ ('SECRET')",
        "SELECT arrayMap(file, ['SECRET'])",
        "WITH (p -> file(p)) AS f SELECT f('SECRET')",
        "EXPLAIN SELECT file('SECRET')",
        "DESCRIBE (SELECT file('SECRET'))",
        "SHOW TABLES WHERE name = file('SECRET')",
        "SELECT * FROM view(SELECT file('SECRET'))",
        "SELECT * FROM eval('SELECT fi' || 'le(\\'SECRET\\')')",
        "SELECT x FROM generateRandom('x String ALIAS file(\\'SECRET\\')') LIMIT 1",
        "SELECT * FROM values('y UInt8, x String DEFAULT file(\\'SECRET\\')', (1, ''))",
        "SELECT * FROM format(CSV, 'y UInt8, x String DEFAULT file(\\'SECRET\\')', '1')",
        "SELECT * FROM file('SECRET', LineAsString)",
        "DESCRIBE file('SECRET', LineAsString)",
        "SELECT * FROM `SECRET`",
        "SELECT * FROM default.`SECRET`",
        "SELECT * FROM fileCluster('c', 'SECRET')",
        "SELECT * FROM executable('cat', TSV, 'x String')",
        "SELECT * FROM python('os')",
        "SELECT * FROM url('http://127.0.0.1:1/', LineAsString)",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/a', 'TSV', 'x String')",
        "SELECT * FROM hdfs('hdfs://127.0.0.1:1/a', 'TSV', 'x String')",
        "SELECT * FROM remote('127.0.0.1', system.one)",
        "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM mongodb('127.0.0.1:1', 'a', 'b', 'c', 'd', 'x String')",
        "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String')",
        "SELECT * FROM sqlite('NEVER', 't')",
        "SELECT * FROM odbc('a', 'b', 'c')",
        "SELECT hasColumnInTable('127.0.0.1:1', 'user', 'password', 'a', 'b', 'c')",
        "SELECT reverseDNSQuery('127.0.0.1')",
    ],
)
def test_a_reader_reaches_no_file_and_no_host(reader: Client, statement: str) -> None:
    with pytest.raises(DatabaseError) as refused:
        reader.command(statement.replace("SECRET", SECRET))
    assert "TOKENTRAIL_CLICKHOUSE_READER_PASSWORD" not in str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        "file('SECRET', LineAsString)",
        "filesystem('/proc/self')",
        "executable('environ.sh', TSV, 'x String')",
        "sqlite('/proc/self/never.sqlite', 't')",
        "url('http://127.0.0.1:1/', TSV, 'x String')",
        "s3('http://127.0.0.1:1/bucket/a', 'TSV', 'x String')",
        "gcs('http://127.0.0.1:1/bucket/a', 'TSV', 'x String')",
        "oss('http://127.0.0.1:1/bucket/a', 'TSV', 'x String')",
        "cosn('http://127.0.0.1:1/bucket/a', 'TSV', 'x String')",
        "azureBlobStorage('AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:1/a', 'c', 'b', 'CSV')",
        "hdfs('hdfs://127.0.0.1:1/a', 'TSV', 'x String')",
        "icebergS3('http://127.0.0.1:1/bucket/a')",
        "icebergLocal('/etc', 'Parquet', 'x String')",
        "deltaLake('http://127.0.0.1:1/bucket/a')",
        "deltaLakeLocal('/etc')",
        "hudi('http://127.0.0.1:1/bucket/a')",
        "paimonS3('http://127.0.0.1:1/bucket/a')",
        "paimonLocal('/etc')",
        "remote('127.0.0.1:1', system.one)",
        "remoteSecure('127.0.0.1:1', system.one)",
        "mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "mongodb('127.0.0.1:1', 'a', 'b', 'c', 'd', 'x String')",
        "redis('127.0.0.1:1', 'k', 'k String')",
        "odbc('DSN=a', 'b', 'c')",
        "jdbc('jdbc:a', 'b', 'c')",
        "bigquery('aaa-bbb', 'ddd', 'eee', access_token = 'x')",
        "ytsaurus('http://127.0.0.1:1', 'a', 'b', 'x String')",
        "prometheusQuery('a', 'b', 1)",
        "dictionary('a')",
        "loop(numbers(3))",
        "python('os')",
        "eval('SELECT 1')",
        "input('x String')",
        "format(TSV, 'x String', '1')",
        "values('x UInt8', 1)",
        "generateRandom('x UInt8')",
        "fuzzQuery('SELECT 1', 10, 1)",
        "fuzzJSON('{}')",
        "viewIfPermitted(SELECT 1 ELSE null('x UInt8'))",
        "arrowstream('a')",
    ],
)
def test_no_family_of_table_functions_is_open_to_a_reader(reader: Client, source: str) -> None:
    with pytest.raises(DatabaseError, match="code: 497"):
        reader.query(f"SELECT * FROM {source} LIMIT 1".replace("SECRET", SECRET))  # noqa: S608  # one of those above


NO_SOURCES = frozenset(
    ("SQLStandardValues", "generateSeries", "generate_series", "merge", "null", "numbers", "numbers_mt", "primes",
     "view", "viewExplain", "zeros", "zeros_mt", "mergeTreeAnalyzeIndexes", "mergeTreeAnalyzeIndexesUUID",
     "mergeTreeCodecBlockCounts", "mergeTreeIndex", "mergeTreeProjection", "mergeTreeTextIndex")
)  # fmt: skip
"""Table functions that read the store's own tables, or nothing."""
FAMILIES = re.compile(
    r"arrowstream|(azureBlobStorage|delta|file|hdfs|hudi|iceberg|paimon|remote|s3|url|cluster).*|bigquery|cosn"
    r"|dictionary|eval|executable|filesystem|format|fuzzJSON|fuzzQuery|gcs|generateRandom|input|jdbc|loop|mongodb|mysql"
    r"|odbc|oss|postgresql|prometheusQuery(Range)?|python|redis|sqlite|timeSeries.*|values|viewIfPermitted|ytsaurus"
)
"""Those tried above, with their kin. `cluster` finds none in the embedded engine."""


def test_every_table_function_of_the_engine_is_a_known_one(client: Client) -> None:
    names = [row[0] for row in client.query("SELECT name FROM system.table_functions").result_rows]
    assert [name for name in names if name not in NO_SOURCES and not FAMILIES.fullmatch(name)] == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT aiGenerate('x', map('credentials', 'a'))",
        "SELECT aiEmbed('x', map('credentials', 'a'))",
        "SELECT dictGet('a', 'b', 1)",
        "SELECT naiveBayesClassifier('/etc/hostname', 'x')",
        "SELECT getClientHTTPHeader('X-ClickHouse-Key')",
        "SELECT catboostEvaluate('/etc/hostname', 1)",
        "SELECT evalMLMethod(1, 2)",
        "SELECT addressToLine(1)",
        "SELECT 1 INTO OUTFILE 'NEVER' FORMAT CSV",
        "SELECT 1 INTO OUTFILE 'NEVER' APPEND FORMAT CSV",
    ],
)
def test_no_function_calls_out_reads_a_file_or_looks_into_the_process(
    reader: Client, tmp_path: Path, statement: str
) -> None:
    with pytest.raises(DatabaseError):
        reader.query(statement.replace("NEVER", str(tmp_path / "never")))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("table", ["processes", "errors", "server_settings", "stack_trace", "mutations", "users"])
@pytest.mark.parametrize(
    "form", ["system.TABLE", "`system`.`TABLE`", "system /**/ . TABLE", "merge('system', '^TABLE$')"]
)
def test_a_reader_does_not_see_what_others_do_and_what_is_secret(reader: Client, table: str, form: str) -> None:
    with pytest.raises(DatabaseError, match="code: 497"):
        reader.query(f"SELECT * FROM {form.replace('TABLE', table)} LIMIT 1")  # noqa: S608  # a name above


def test_a_reader_does_not_make_the_system_its_database(engine_process: Any, reader: Client) -> None:
    assert "ACCESS_DENIED" in ask(engine_process, "tokentrail_reader", "SELECT * FROM processes", database="system")
    assert reader.query("SELECT count() > 0 FROM system.tables").result_rows == [(1,)]


def test_a_refused_sqlite_leaves_no_file(reader: Client, client: Client, tmp_path: Path) -> None:
    for account in (reader, client):
        with pytest.raises(DatabaseError, match="code: 497"):
            account.query(f"SELECT * FROM sqlite('{tmp_path / 'never'}', 't')")  # noqa: S608  # a path of the test's
    assert not list(tmp_path.iterdir())


ACCOUNTS = {"default": "", "tokentrail_reader": "read me"}


def ask(engine: Any, user: str, statement: str, **settings: str) -> str:
    query = urllib.parse.urlencode({"user": user, "password": ACCOUNTS[user], **settings})
    connection = http.client.HTTPConnection("127.0.0.1", engine.port)
    connection.request("POST", f"/?{query}", statement.encode())
    return connection.getresponse().read().decode()


@pytest.fixture
def template(table: str, tmp_path: Path) -> Path:
    assert table == "trail.calls"
    path = tmp_path / "template"
    path.write_text("treasure ${0:CSV}")
    return path


@pytest.mark.parametrize("user", ACCOUNTS)
@pytest.mark.parametrize(
    ("statement", "settings"),
    [
        ("SELECT 1 FORMAT Template", {"format_template_row": "PATH"}),
        ("SELECT 1 FORMAT template -- the end", {"format_template_resultset": "PATH"}),
        ("SELECT 1", {"default_format": "Template", "format_template_row": "PATH"}),
        ("SELECT 1 AS x FORMAT Protobuf", {"format_schema": "PATH:x"}),
        ("SELECT 1 AS x FORMAT ProtobufSingle", {"output_format_schema": "PATH"}),
        ("SELECT 1 AS x FORMAT CapnProto", {"format_schema": "PATH:x"}),
        ("SELECT 1 AS x FORMAT AvroConfluent", {"format_avro_schema_registry_url": "http://127.0.0.1:1/"}),
        ("SELECT formatRow('Template', 1)", {"format_template_row": "PATH"}),
        ("SELECT formatRow('Template', 1) SETTINGS format_template_row = 'PATH'", {}),
        ("SELECT * FROM (SELECT formatRow('Template', 1) SETTINGS format_template_row = 'PATH')", {}),
        ("SELECT (SELECT formatRow('Template', 1) SETTINGS `format_template_row` = 'PATH')", {}),
        ("SELECT 1 SETTINGS format_template_row = 'PATH' FORMAT Template", {}),
        ("SELECT 1 FORMAT Template SETTINGS format_template_row = 'PATH'", {}),
        ("SET format_template_row = 'PATH'", {}),
        ("INSERT INTO trail.calls FORMAT Template\ngold 1", {"format_template_row": "PATH"}),
        ("INSERT INTO trail.calls FORMAT CSV\ngold", {"input_format_record_errors_file_path": "PATH.bad"}),
        ("SELECT 1 AS x", {"additional_result_filter": "file('PATH') = 'gold'"}),
        ("SELECT 1 AS x SETTINGS additional_result_filter = 'file(\\'PATH\\') = 1'", {}),
    ],
)
def test_no_setting_and_no_format_opens_a_file(
    engine_process: Any, template: Path, user: str, statement: str, settings: dict[str, str]
) -> None:
    chosen = {name: value.replace("PATH", str(template)) for name, value in settings.items()}
    answer = ask(engine_process, user, statement.replace("PATH", str(template)), **chosen)
    assert answer.startswith("Code: ")
    assert "treasure" not in answer
    assert ask(engine_process, "default", "SELECT x FROM trail.calls") == "7\n"
    assert list(template.parent.iterdir()) == [template]


@pytest.mark.parametrize("user", ACCOUNTS)
def test_settings_of_how_an_answer_looks_are_everybodys(engine_process: Any, user: str) -> None:
    def told(statement: str, **settings: str) -> str:
        return ask(engine_process, user, statement, **settings)

    assert '"x": "1"' in told("SELECT 1::UInt64 AS x FORMAT JSON", output_format_json_quote_64bit_integers="1")
    assert told("SELECT toDateTime(0, 'UTC')", date_time_output_format="iso") == "1970-01-01T00:00:00Z\n"
    assert told("SELECT 1, 2 FORMAT CSV", format_csv_delimiter=";", add_http_cors_header="1") == "1;2\n"
    assert told("SELECT 'FORMAT Template' FORMAT TSV") == "FORMAT Template\n"


@pytest.mark.parametrize("user", ACCOUNTS)
async def test_the_async_client_reads_rows_and_arrow_as_everybody(engine_process: Any, user: str) -> None:
    async with await clickhouse_connect.get_async_client(
        host="127.0.0.1", port=engine_process.port, username=user, password=ACCOUNTS[user]
    ) as client:
        assert (await client.query("SELECT 1")).result_rows == [(1,)]
        assert (await client.query_arrow("SELECT 1 AS x")).num_rows == 1


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT number FROM numbers(1000001)", 396),
        ("SELECT count() FROM numbers(2000000000)", 158),
        ("SELECT groupArray(number) FROM numbers(300000000)", 241),
    ],
)
def test_a_readers_query_has_limits(reader: Client, statement: str, code: int) -> None:
    with pytest.raises(DatabaseError, match=f"code: {code}"):
        reader.query(statement)


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_result_rows", "0"), ("max_memory_usage", "99999999999"), ("readonly", "0"), ("max_threads", "64")],
)
def test_a_readers_limits_can_be_lowered_and_never_raised(engine_process: Any, name: str, value: str) -> None:
    reading = {"username": "tokentrail_reader", "password": "read me"}
    with engine_process.client(**reading) as reader:
        reader.params[name] = value
        with pytest.raises(DatabaseError, match="code: 164"):
            reader.query("SELECT 1")
        reader.params.pop(name)
        reader.params["max_result_rows"] = "2"
        with pytest.raises(DatabaseError, match="code: 396"):
            reader.query("SELECT number FROM numbers(3)")
