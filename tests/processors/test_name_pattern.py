"""Patterns of names: what fits them, what covers what, what overlaps."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.name_pattern import NamePattern

globs = st.text("ab*?", min_size=1, max_size=6)
names = st.text("ab", max_size=6)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("gpt-4o*", "GPT-4o-mini", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-?", "gpt-5", True),
        ("gpt-?", "gpt-", False),
        ("claude[1m]", "claude[1m]", True),
        ("claude[1m]", "claude1", False),
        ("a.c", "abc", False),
    ],
)
def test_only_stars_and_question_marks_are_wildcards(pattern: str, name: str, *, fits: bool) -> None:
    assert NamePattern(pattern).matches(name) is fits


@given(globs, names)
def test_a_name_fits_as_in_a_shell(glob: str, name: str) -> None:
    assert NamePattern(glob).matches(name) is fnmatchcase(name, glob)


@given(globs, globs, st.lists(names, max_size=20))
def test_what_fits_a_covered_pattern_fits_the_wide_one(wide: str, narrow: str, tried: list[str]) -> None:
    if NamePattern(wide).covers(NamePattern(narrow)):
        for name in (*tried, narrow.replace("*", "").replace("?", "a"), narrow.replace("*", "ba").replace("?", "b")):
            assert not NamePattern(narrow).matches(name) or NamePattern(wide).matches(name)


@given(globs, globs, names)
def test_patterns_meet_where_one_name_fits_both(one: str, two: str, name: str) -> None:
    first, second = NamePattern(one), NamePattern(two)
    assert first.meets(second) is second.meets(first)
    if first.matches(name) and second.matches(name):
        assert first.meets(second)
    if first.covers(second):
        assert first.meets(second)


def test_a_star_covers_everything_and_separate_names_do_not_meet() -> None:
    assert NamePattern("*").covers(NamePattern("gpt-?*"))
    assert not NamePattern("gpt-4*").covers(NamePattern("gpt-*"))
    assert not NamePattern("gpt-4*").meets(NamePattern("*-5"[1:]))
    assert NamePattern("gpt*").meets(NamePattern("*mini"))
