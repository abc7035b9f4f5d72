"""Series of `time,value` lines."""

from pathlib import Path

import cramjam
import pytest

from tokentrail.errors import SourceError
from tokentrail.processors.series import Point, read_series

NOON_S = 1_772_452_800  # 2026-03-02T12:00:00Z
TWO = [Point(NOON_S, 1.5), Point(NOON_S + 300, -2.0)]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T12:00:00Z,1.5\n2026-03-02T12:05:00Z,-2\n",
        "2026-03-02 12:00:00,1.5\r\n2026-03-02 12:05:00,-2\r\n",
        "2026-03-02T13:00:00+01:00,1.5\n2026-03-02T13:05:00+01:00,-2",
        "time,value\n2026-03-02T12:00,1.5\n\n2026-03-02T12:05,-2\n",
        "\ufefftime,value\n2026-03-02T12:00,1.5\n2026-03-02T12:05,-2\n",
        "1772452800,1.5\n1772453100.9,-2\n",
        "1772452800000,1.5\n1772453100000,-2\n",
        "1772452800000000,1.5\n1772453100000000,-2\n",
        "1772452800000000000,1.5\n1772453100000000000,-2\n",
        "Value,Host,Timestamp\n1.5,a,1772452800\n-2,b,1772453100\n",
        '"1772452800";"1.5"\n"1772453100";"-2"\n',
    ],
)
def test_times_and_headers_are_read_as_people_write_them(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    assert list(read_series(path)) == TWO


def test_a_compressed_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.zst"
    path.write_bytes(bytes(cramjam.zstd.compress(b"1772452800,1.5\n1772453100,-2\n")))
    assert list(read_series(path)) == TWO


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"noon,1", "line 3: 'noon' is no time"),
        (b"inf,1", "line 3: 'inf' is no time"),
        (b"1772453100,much", "line 3: 'much' is no finite number"),
        (b"1772453100,nan", "line 3: 'nan' is no finite number"),
        (b"1772453100,", "line 3: '' is no finite number"),
        (b"1772453100", "line 3, has 1 columns"),
        (b"1772452799,1", "line 3: its time is before"),
        (b"\xff,1", "line 3, is not UTF-8"),
    ],
)
def test_a_line_that_is_no_point_is_named(tmp_path: Path, line: bytes, complaint: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"time,value\n1772452800,1\n" + line + b"\n")
    with pytest.raises(SourceError, match=f"a.csv, {complaint}"):
        list(read_series(path))


def test_a_header_of_one_column_and_a_missing_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("value\n1\n")
    with pytest.raises(SourceError, match="line 1: a header of one column"):
        list(read_series(tmp_path / "a.csv"))
    with pytest.raises(SourceError, match=r"none\.csv cannot be read"):
        list(read_series(tmp_path / "none.csv"))
