"""Series: `time,value` lines of a CSV file, plain or compressed, as points in order of time."""

import csv
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from tokentrail.errors import SourceError
from tokentrail.processors.file_lines import read_lines

_TIME_NAMES: Final = ("time", "timestamp", "datetime", "date", "ts", "ds")
_VALUE_NAMES: Final = ("value", "y", "count", "v")
_YEAR_2500_S: Final = 16_725_225_600
"""A number beyond this is no count of seconds but of milliseconds, microseconds or nanoseconds."""
_THOUSAND: Final = 1000


class Point(msgspec.Struct, frozen=True, gc=False):
    """A value and its time, in whole seconds since the epoch."""

    second: int
    value: float


def read_series(path: Path) -> Iterator[Point]:
    """Yield a file's points; they must be in order of time, several may have the same.

    The first line may be a header: columns called time (timestamp, date, …) and value (y, count, …) are then taken, or
    else the first two. Times are ISO 8601, without a zone UTC, or a number since the epoch: seconds, or milliseconds,
    microseconds, nanoseconds where it is that large. Blocking; memory is that of some megabytes of lines.

    Raises:
        SourceError: the file cannot be read, or a line is no point; names file and line.
    """
    columns = (0, 1)
    newest = -math.inf
    for number, cells in _rows(path):
        if not cells:
            continue
        if number == 1 and _is_header(cells):
            columns = _find_columns(path, cells)
            continue
        point = _read_point(path, number, cells, columns)
        if point.second < newest:
            raise SourceError(
                f"{path}, line {number}: its time is before that of the line above; sort the file by time."
            )
        newest = point.second
        yield point


def parse_time(text: str) -> float:
    """Return seconds since the epoch.

    Raises:
        ValueError: the text is no time.
    """
    try:
        seconds = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(seconds):
        raise ValueError(text)
    while abs(seconds) > _YEAR_2500_S:
        seconds /= _THOUSAND
    return seconds


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    number = 0
    for lines, _ in read_lines(path):
        for line in lines:
            number += 1
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r")
            except UnicodeDecodeError as error:
                raise SourceError(f"{path}, line {number}, is not UTF-8; save the file as UTF-8.") from error
            yield number, next(csv.reader([text], delimiter=";" if ";" in text else ","), [])


def _is_header(cells: Sequence[str]) -> bool:
    """Whether no cell of the first line is a time: then it names columns."""
    for cell in cells:
        try:
            parse_time(cell.strip())
        except (ValueError, OverflowError):
            continue
        return False
    return True


def _find_columns(path: Path, names: Sequence[str]) -> tuple[int, int]:
    lower = [name.strip().lower() for name in names]
    if len(lower) == 1:
        raise SourceError(f"{path}, line 1: a header of one column; `time,value` was expected.")
    value = next((lower.index(name) for name in _VALUE_NAMES if name in lower), None)
    time = next((lower.index(name) for name in _TIME_NAMES if name in lower), 1 if value == 0 else 0)
    if value is None:
        value = 1 if time == 0 else 0
    return time, value


def _read_point(path: Path, number: int, cells: Sequence[str], columns: tuple[int, int]) -> Point:
    try:
        time, value = (cells[column].strip() for column in columns)
    except IndexError as error:
        raise SourceError(f"{path}, line {number}, has {len(cells)} columns; `time,value` was expected.") from error
    try:
        second = math.floor(parse_time(time))
    except (ValueError, OverflowError) as error:
        raise SourceError(
            f"{path}, line {number}: {time[:40]!r} is no time; write 2026-11-21T12:00 or seconds since the epoch."
        ) from error
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise SourceError(f"{path}, line {number}: {value[:40]!r} is no finite number; mend the line or take it out.")
    return Point(second, found)
