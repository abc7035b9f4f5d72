"""How tables fit into a terminal."""

from io import StringIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tokentrail.cli import output
from tokentrail.cli.output import column_widths, folded, print_table

NUMBERS = ("calls", "errors", "input tokens", "output tokens", "cost USD", "unpriced calls")
COSTS = (
    ("customer-support", "claude-sonnet-4-5-20250929", "1,284", "31", "1,523,930", "143,621", "12.668224", "0"),
    ("-", "gpt-5-mini", "84", "1", "23,930", "3,621", "0.668224", "0"),
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    monkeypatch.delenv("COLUMNS", raising=False)
    file = StringIO()
    monkeypatch.setattr(output, "out", Console(file=file, highlight=False))
    return file


def in_a_terminal(monkeypatch: pytest.MonkeyPatch, file: StringIO, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(output, "out", Console(file=file, highlight=False, width=width))


def test_what_is_piped_has_all_the_room_it_wants(shown: StringIO) -> None:
    print_table("Costs", ("department", "model", *NUMBERS), COSTS, NUMBERS)
    assert "│ customer-support │ claude-sonnet-4-5-20250929 │ 1,284 │" in shown.getvalue()


def test_in_80_columns_no_number_is_broken_and_names_only_behind_their_signs(
    monkeypatch: pytest.MonkeyPatch, shown: StringIO
) -> None:
    in_a_terminal(monkeypatch, shown, 80)
    print_table("Costs", ("department", "model", *NUMBERS), COSTS, NUMBERS)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    words = set(shown.getvalue().split())
    assert {"customer-", "support", "20250929", "1,523,930", "143,621", "12.668224", "unpriced"} <= words


def test_a_table_that_fits_keeps_its_lines_whole(monkeypatch: pytest.MonkeyPatch, shown: StringIO) -> None:
    in_a_terminal(monkeypatch, shown, 80)
    print_table("Parts", ("part", "lag"), [("ledger writer", "1,204")], ("lag",))
    assert "│ ledger writer │ 1,204 │" in shown.getvalue()


def test_text_that_looks_like_markup_is_shown_as_it_is(shown: StringIO) -> None:
    print_table("Users", ("user",), [("[red]x[/red]",)])
    assert "[red]x[/red]" in shown.getvalue()


def test_titles_and_headings_that_look_like_markup_are_shown_as_they_are(shown: StringIO) -> None:
    print_table("invoice [eur].csv", ("[/x]", "sum([b])\x1b[2J"), [("1", "2")])
    for told in ("invoice [eur].csv", "[/x]", "sum([b])\ufffd[2J"):
        assert told in shown.getvalue()


@given(st.lists(st.lists(st.text("ab -_/.:1", max_size=60), min_size=3, max_size=3), min_size=1, max_size=4))
def test_columns_get_no_more_than_they_want_and_together_no_more_than_there_is(grid: list[list[str]]) -> None:
    wanted = column_widths(grid, (), None)
    assert column_widths(grid, (), sum(wanted)) == wanted
    for room in (90, 40):
        widths = column_widths(grid, (), room)
        assert all(given <= want for given, want in zip(widths, wanted, strict=True))
        assert sum(widths) <= max(room, 3 * 24)


@given(st.text("abc -_/.:1\n", max_size=80), st.integers(1, 40))
def test_folding_loses_nothing_but_spaces_and_breaks_where_it_may(text: str, width: int) -> None:
    lines = folded(text, width).split("\n")
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line, following in pairwise(lines):
        assert not (line[-1:].isalnum() and following[:1].isalnum()) or f"{line}{following}" not in text
