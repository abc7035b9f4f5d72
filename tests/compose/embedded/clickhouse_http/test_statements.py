import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.compose.embedded.clickhouse_http.statements import Insert, find_insert, first_word, stated_format


@pytest.mark.parametrize(
    ("text", "statement", "input_format", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x01\x02", b"INSERT INTO t ", "Native", b"\x01\x02"),
        (
            b"insert into `a b` (x, `format`) settings a=1 format TSV\r\n1",
            b"insert into `a b` (x, `format`) settings a=1 ",
            "TSV",
            b"1",
        ),
        (
            b"-- FORMAT no\nINSERT INTO t /* FORMAT no */ FORMAT CSV\n\n1",
            b"-- FORMAT no\nINSERT INTO t /* FORMAT no */ ",
            "CSV",
            b"\n1",
        ),
        (b"INSERT INTO t FORMAT JSONEachRow {}", b"INSERT INTO t ", "JSONEachRow", b"{}"),
    ],
)
def test_an_insert_is_parted_from_the_data_that_follows_it(
    text: bytes, statement: bytes, input_format: str, data: bytes
) -> None:
    found = find_insert(text)
    assert found == Insert(statement, input_format, len(text) - len(data))


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT 1 FORMAT Native",
        b"INSERT INTO t SELECT 1 FORMAT Native",
        b"INSERT INTO t VALUES (1)",
        b"INSERT INTO t FORMAT Values (1)",
        b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        b"",
        b"\xff\x00",
    ],
)
def test_every_other_statement_is_left_whole(text: bytes) -> None:
    assert find_insert(text) is None


@given(st.binary())
def test_no_text_makes_the_statement_reader_fail(text: bytes) -> None:
    find_insert(text)
    first_word(text)
    stated_format(text)


def test_the_format_is_read_from_the_statements_end() -> None:
    assert stated_format(b"SELECT ' FORMAT CSV ' FORMAT JSON SETTINGS a=1;\n") == "JSON"
    assert stated_format(b"SELECT 1") is None


def test_the_first_word_comes_after_comments_and_parentheses() -> None:
    assert first_word(b" -- x\n/* y */ (sElect 1)") == "SELECT"
