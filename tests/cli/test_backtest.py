"""`tokentrail backtest series`."""

import csv
import json
from pathlib import Path

import pytest
from ledger_log import run_command

CONDITION = "type='ratio_to_baseline', factor=2"
SPIKE = [10] * 40 + [50] * 3 + [10] * 10


@pytest.fixture
def series(tmp_path: Path) -> Path:
    path = tmp_path / "load.csv"
    lines = [f"{1_772_452_800 + 300 * number},{value}" for number, value in enumerate(SPIKE)]
    path.write_text("time,value\n" + "\n".join(lines) + "\n")
    return path


def test_scores_and_alerts_are_written_as_csv(series: Path, tmp_path: Path) -> None:
    target = tmp_path / "scores.csv"
    answer = run_command({}, "backtest", "series", str(series), "--condition", CONDITION, "--out", str(target))
    assert answer.returncode == 0, answer.stderr
    assert "53 points: 1 alerts, 3 points beyond the threshold." in answer.stderr
    assert "load.csv is 50 over 300 s, the threshold is 20" in answer.stdout
    with target.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(SPIKE)
    assert (rows[40]["value"], rows[40]["baseline"], rows[40]["threshold"], rows[40]["score"]) == (
        "50.0", "10.0", "20.0", "2.5",
    )  # fmt: skip
    with target.with_suffix(".alerts.csv").open() as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["firing", "resolved"]
    run_command(
        {}, "backtest", "series", str(series), "--condition", "type='threshold', above=99", "--out", str(target)
    )
    assert target.with_suffix(".alerts.csv").read_text().startswith("schema_version,alert_id,")


def test_scores_and_alerts_are_written_and_printed_as_json(series: Path, tmp_path: Path) -> None:
    target = tmp_path / "scores.json"
    answer = run_command(
        {}, "backtest", "series", str(series), "--condition", CONDITION, "--out", str(target), "--json"
    )
    document = json.loads(answer.stdout)
    assert document == json.loads(target.read_text())
    assert [alert["state"] for alert in document["alerts"]] == ["firing", "resolved"]
    assert document["rule"]["window_s"] == 300, "as far apart as the points are"
    assert document["scores"][40]["score"] == 2.5


def test_a_rule_by_name_runs_with_its_own_window_or_another(series: Path) -> None:
    arguments = ("backtest", "series", str(series), "--rule", "high_request_volume", "--json")
    own, other = (json.loads(run_command({}, *arguments, *more).stdout) for more in ((), ("--window-s", "3600")))
    assert own["rule"]["name"] == "high_request_volume"
    assert other["rule"]["window_s"] == 3600
    assert [score["value"] for score in other["scores"][:3]] == [10, 20, 30]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--rule", "nope"), "There is no rule 'nope'; there are"),
        (("--condition", "type='z_score'"), "missing required field `z`"),
        (("--condition", "type='z_score', z="), "cannot be used"),
        (("--condition", CONDITION, "--out", "scores.txt"), "must end in .csv or .json"),
        (("--condition", CONDITION, "--rule", "x"), "one of them"),
        ((), "one of them"),
        (("--condition", CONDITION, "--out", "/none/scores.json"), "cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence(series: Path, arguments: tuple[str, ...], complaint: str) -> None:
    answer = run_command({}, "backtest", "series", str(series), *arguments)
    assert answer.returncode != 0
    assert complaint in " ".join(answer.stderr.replace("│", " ").split())
