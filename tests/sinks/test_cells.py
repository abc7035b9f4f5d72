"""Names that callers made up, as they stand in terminals and spreadsheets."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tokentrail.sinks.reports.cells import csv_cell, harmless, readable_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_what_a_spreadsheet_would_calculate_has_an_apostrophe_before_it(text: str) -> None:
    assert csv_cell(text).startswith("'")


@pytest.mark.parametrize(
    ("value", "cell"),
    [(-1, "-1"), (Decimal("-0.000000001"), "-0.000000001"), (-0.5, "-0.5"), (None, ""), ("a=b", "a=b"),
     (["x", "y"], "x, y"), (datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21T00:00:00+00:00")],
)  # fmt: skip
def test_numbers_money_and_moments_stay_as_they_are_in_csv(value: object, cell: str) -> None:
    assert csv_cell(value) == cell


@pytest.mark.parametrize("text", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "a\u202eb", "a\x00b", "x\ry"])
def test_signs_that_steer_a_terminal_are_shown_and_not_obeyed(text: str) -> None:
    for told in (harmless(text), csv_cell(text), readable_cell(text)):
        assert "\ufffd" in told
        assert not set(told) & set("\x1b\x9b\x07\x00\r\u202e")


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, "-"), (Decimal("1234.500000000"), "1,234.500000000"), (Decimal("1E-9"), "0.000000001"), (True, "yes"),
     (0.123456, "0.1235"), (123456.7, "123,457"), ([], ""),
     (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "2026-01-02 03:04:05")],
)  # fmt: skip
def test_values_read_well(value: object, cell: str) -> None:
    assert readable_cell(value) == cell
