from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from tokentrail.cli.rules import app
from tokentrail.errors import RuleError
from tokentrail.processors.rules import DEFAULT_RULES, parse_rules, read_rule_text

WRONG = """
[[rule]]
name = "many_calls"
metric = "colour"
by = ["user_id"]
window_s = 60
condition = { type = "threshold", above = 3 }
severity = "WARNING"

[[maintenance]]
name = "deployment"
from = "2 am"
to = "4 am"
"""
TESTS = """
[[test]]
name = "a large request"
only = ["oversized_request"]
[[test.calls]]
fields = { user_id = "anna", input_tokens = 200_000 }
[[test.expect]]
rule = "oversized_request"
entity = "anna"
"""


@pytest.fixture(autouse=True)
def _shipped_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokentrail.cli.rules._active_file", lambda: None)


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "400"})


def test_a_file_that_is_right_is_counted() -> None:
    result = _run("check")
    assert result.exit_code == 0
    assert "35 rules, 31 enabled" in result.output


def test_every_mistake_is_a_line_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(WRONG)
    result = _run("check", path)
    assert result.exit_code == 1
    first, second = result.output.splitlines()
    assert first.startswith(f"{path}:4: rule 'many_calls', metric: 'colour' is not known")
    assert second.startswith(f"{path}:12: maintenance 'deployment', from: ")
    assert [mistake["line"] for mistake in orjson.loads(_run("check", path, "--json").output)] == [4, 12]


def test_the_list_names_disabled_rules_too() -> None:
    output = _run("list").output
    assert "high_request_volume" in output
    assert "budget_80 (disabled)" in output
    listed = orjson.loads(_run("list", "--json").output)
    assert {rule["name"]: rule["enabled"] for rule in listed}["budget_80"] is False
    assert all(len(rule["version"]) == 12 for rule in listed)


def test_the_listed_file_is_the_file_itself() -> None:
    text = _run("list", "--toml").output
    assert text == read_rule_text()
    assert parse_rules(text, DEFAULT_RULES)


def test_a_rule_is_explained() -> None:
    output = _run("explain", "token_spike").output
    assert "more than 5 times what is usual" in output
    assert orjson.loads(_run("explain", "token_spike", "--json").output)["name"] == "token_spike"


def test_a_rule_that_there_is_not_is_told_with_one_that_there_is() -> None:
    result = _run("explain", "token_spikes")
    assert isinstance(result.exception, RuleError)
    assert "did you mean token_spike?" in str(result.exception)


def test_tests_that_pass_end_well(tmp_path: Path) -> None:
    path = tmp_path / "tests.toml"
    path.write_text(TESTS)
    result = _run("test", path)
    assert result.exit_code == 0
    assert "1 passed, 0 failed" in result.output


def test_a_test_that_fails_says_what_was_not_told_and_what_nobody_expected(tmp_path: Path) -> None:
    path = tmp_path / "tests.toml"
    path.write_text(TESTS.replace('entity = "anna"', 'entity = "bert"'))
    result = _run("test", path)
    assert result.exit_code == 1
    assert "not told: oversized_request firing of bert" in result.output
    assert "not expected: 03-02 00:00:01  oversized_request: anna sent" in result.output
    (trial,) = orjson.loads(_run("test", path, "--json").output)
    assert trial["passed"] is False
