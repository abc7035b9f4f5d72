import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.compose.embedded.clickhouse_http.statements import Insert, find_insert, first_word, stated_format


@pytest.mark.parametrize(
    ("text", "target", "settings", "data"),
    [
        (b"INSERT INTO t FORMAT TSV\n\x01\x02", b"INSERT INTO t ", b"", b"\x01\x02"),
        (
            b"insert into `a b` (x, `format`) settings a=1 format TSV\r\n1",
            b"insert into `a b` (x, `format`) ",
            b"settings a=1 ",
            b"1",
        ),
        (
            b"-- FORMAT no\nINSERT INTO t /* FORMAT no */ FORMAT TSV\n\n1",
            b"-- FORMAT no\nINSERT INTO t /* FORMAT no */ ",
            b"",
            b"\n1",
        ),
        (b"INSERT INTO t FORMAT TSV {}", b"INSERT INTO t ", b"", b"{}"),
    ],
)
def test_an_insert_is_parted_from_the_data_that_follows_it(
    text: bytes, target: bytes, settings: bytes, data: bytes
) -> None:
    assert find_insert(text) == Insert(target + b"\n", settings, "TSV", len(text) - len(data))


def test_an_inserts_data_can_come_from_a_file() -> None:
    insert = find_insert(b"INSERT INTO t (x) -- why\nSETTINGS a = 1 FORMAT CSV\n1")
    assert insert
    assert (
        insert.from_file("/f").split()
        == b"INSERT INTO t (x) -- why FROM INFILE '/f' COMPRESSION 'none' SETTINGS a = 1 FORMAT CSV".split()
    )


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
