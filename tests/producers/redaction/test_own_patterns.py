"""Patterns of the user's own."""

import pytest

from tokentrail.errors import SettingsError
from tokentrail.producers.redaction import Redactor


def test_an_own_pattern_is_found_and_counted_under_its_name() -> None:
    redactor = Redactor({"employee": r"(?i)\bEMP-(\d{6})\b"})
    assert redactor.redact("emp-123456 wrote to joe@example.com") == (
        "[employee] wrote to [email]",
        {"employee": 1, "email": 1},
    )


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(\w)\1", "[z-a]", "a{5000}"])
def test_a_pattern_that_re2_cannot_read_is_named(pattern: str) -> None:
    with pytest.raises(SettingsError, match="'broken'"):
        Redactor({"fine": "x+", "broken": pattern})


@pytest.mark.parametrize("pattern", ["", "a*", "(?:x|)", r"\b"])
def test_a_pattern_that_matches_empty_text_is_refused(pattern: str) -> None:
    with pytest.raises(SettingsError, match="'empty'"):
        Redactor({"empty": pattern})


@pytest.mark.parametrize("name", ["", "Has Space", "UPPER", "x]", "a" * 41, "1st"])
def test_a_name_must_fit_in_a_placeholder(name: str) -> None:
    with pytest.raises(SettingsError, match="name"):
        Redactor({name: "x"})


def test_own_patterns_do_not_eat_placeholders() -> None:
    redactor = Redactor({"word": "[a-z]+", "bracket": r"\[[a-z]+"})
    once = redactor.redact("joe@example.com says hello")
    assert once.counts == {"email": 1, "word": 2}
    assert redactor.redact(once.text) == (once.text, {})
