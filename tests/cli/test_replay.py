"""`tokentrail replay` over files, and what differs from other rules."""

import json
from pathlib import Path

import pytest
from call_log import generate_calls
from file_logs import write_files
from ledger_log import run_command

from tokentrail.processors.file_log import FileLog
from tokentrail.processors.replay import Replay
from tokentrail.processors.rules import load_rules

RULES = """
[[rule]]
name = "busy"
metric = "calls"
by = ["user_id"]
window_s = 60
severity = "HIGH"
condition = { type = "threshold", above = %d }

[[rule]]
name = "failing"
metric = "errors"
by = ["request_model"]
window_s = 60
severity = "CRITICAL"
condition = { type = "threshold", above = 10 }
enabled = %s
"""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return write_files(tmp_path, generate_calls(seconds=1800), 2)


@pytest.fixture
def rules(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name, above, enabled in (("strict", 60, "true"), ("lax", 80, "false")):
        found[name] = tmp_path / f"{name}.toml"
        found[name].write_text(RULES % (above, enabled))
    return found


def _replay(files: list[Path], rules: Path, *more: str) -> tuple[str, str]:
    given = [argument for file in files for argument in ("--file", str(file))]
    answer = run_command({}, "replay", *given, "--rules", str(rules), *more)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout, answer.stderr


def test_alerts_of_files_are_those_of_the_core_line_by_line(files: list[Path], rules: dict[str, Path]) -> None:
    told, summary = _replay(files, rules["strict"], "--json")
    replay = Replay(load_rules(rules["strict"]), [0, 1], 1000)
    expected = list(replay.run(FileLog(files).read([0, 1]), to_end=True))
    lines = [json.loads(line) for line in told.splitlines()]
    assert [(line["alert_id"], line["revision"]) for line in lines] == [(a.alert_id, a.revision) for a in expected]
    assert len(expected) >= 4
    assert f"{replay.counts().records:,} records in" in summary
    assert f"{len(expected)} state changes, 0 records late." in summary


def test_two_processes_print_what_one_does(files: list[Path], rules: dict[str, Path]) -> None:
    alone, together = (_replay(files, rules["strict"], "--json", "--processes", number)[0] for number in "12")
    assert together == alone


def test_nothing_before_from_is_told_though_it_is_learnt_from(files: list[Path], rules: dict[str, Path]) -> None:
    everything = [json.loads(line) for line in _replay(files, rules["strict"], "--json")[0].splitlines()]
    cut = everything[len(everything) // 2]["occurred_at"]
    some, _ = _replay(files, rules["strict"], "--json", "--from", cut, "--to", "2026-03-03T00:00")
    later = [alert for alert in everything if alert["occurred_at"] >= cut]
    assert [json.loads(line) for line in some.splitlines()][: len(later)] == later


def test_what_other_rules_change_is_told_with_its_cost(files: list[Path], rules: dict[str, Path]) -> None:
    told, _ = _replay(files, rules["lax"], "--against", str(rules["strict"]), "--json")
    document = json.loads(told)
    counts = document["counts"]
    kinds = {change["kind"]: change for change in document["changes"]}
    assert counts["new"] == counts["earlier"] == 0
    assert counts["later"] >= 1
    assert kinds["later"]["shift_s"] > 0
    assert counts["gone"] >= 1
    assert {change["before"]["rule"] for change in document["changes"] if change["kind"] == "gone"} >= {"failing"}
    by_rule = {row["name"]: row for row in document["noise"]["by_rule"]}
    assert by_rule["failing"]["after"]["alerts"] == 0
    assert by_rule["failing"]["before"]["per_day"] == pytest.approx(
        by_rule["failing"]["before"]["alerts"] * 48, rel=0.01
    )
    users, weeks = 6, 1800 / 7 / 86_400
    assert by_rule["busy"]["before"]["per_entity_week"] == pytest.approx(
        by_rule["busy"]["before"]["alerts"] / users / weeks, rel=0.01
    )
    assert document["from"].startswith("2026-03-02T12:00:0")


def test_the_same_rules_change_nothing(files: list[Path], rules: dict[str, Path]) -> None:
    told, _ = _replay(files, rules["strict"], "--against", str(rules["strict"]))
    assert "0 new, 0 gone, 0 earlier, 0 later" in told
    assert "Changes" not in told
    assert "Noise" in told


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "--from is needed to replay the archive"),
        (("--from", "2h", "--to", "3h"), "--from must be before --to"),
        (("--topic", "llm.calls", "--file", "x"), "Give --topic or --file, not both"),
        (("--from", "@5"), "Offsets (@…) are for --topic"),
        (("--topic", "llm.calls", "--from", "@5", "--to", "1h"), "both as times, or both as offsets"),
        (("--topic", "llm.calls", "--from", "@0:5,1"), "names no offsets; write @1200"),
        (("--file", "/none.jsonl"), "/none.jsonl cannot be read"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], complaint: str) -> None:
    answer = run_command({}, "replay", *arguments)
    assert answer.returncode != 0
    assert complaint in " ".join(answer.stderr.replace("│", " ").split())


def test_a_stretch_without_records_has_no_difference(tmp_path: Path, rules: dict[str, Path]) -> None:
    (tmp_path / "empty.jsonl").touch()
    answer = run_command(
        {},
        "replay",
        "--file",
        str(tmp_path / "empty.jsonl"),
        "--rules",
        str(rules["lax"]),
        "--against",
        str(rules["lax"]),
    )
    assert "There are no records in this stretch" in answer.stderr
