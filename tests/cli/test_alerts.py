"""`tokentrail alerts` as a user types it."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from ledger_log import run_command
from told_alerts import NOON, make_alert, make_silence, resolved, tell

from tokentrail.processors.incidents import identify_incident
from tokentrail.schemas.alert_controls import Silence
from tokentrail.schemas.alerts import Alert
from tokentrail.settings import Settings

pytestmark = pytest.mark.broker


def told(settings: Settings, *alerts: Alert | Silence) -> None:
    asyncio.run(tell(settings, *alerts))


def listed(environ: dict[str, str], *options: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run_command(environ, "alerts", "--json", *options).stdout)
    return found


def test_the_latest_state_of_each_alert_is_shown_newest_first(settings: Settings, environ: dict[str, str]) -> None:
    first, second = make_alert("a1"), make_alert("a2", occurred_at=NOON + timedelta(seconds=5))
    told(settings, first, second, resolved(first))
    assert [(one["alert_id"], one["revision"]) for one in listed(environ)] == [("a1", 2), ("a2", 1)]
    assert [(one["alert_id"], one["revision"]) for one in listed(environ, "--history")] == [
        ("a1", 2),
        ("a2", 1),
        ("a1", 1),
    ]
    assert {"detected_at", "delay_ms", "acknowledged_by", "silenced_by"} <= listed(environ)[0].keys()
    assert "nora.dahl made 229 calls" in run_command(environ, "alerts").stdout


def test_without_alerts_a_sentence_says_so(environ: dict[str, str]) -> None:
    assert (
        run_command(environ, "alerts", "--since", "1h").stdout
        == "No alerts since 1h. Ask further back, for instance with --since 24h.\n"
    )
    assert (
        run_command(environ, "alerts", "--incidents").stdout
        == "No incidents since 24h. Ask further back, for instance with --since 7d.\n"
    )


def test_an_alert_is_taken_on_by_the_beginning_of_its_id(settings: Settings, environ: dict[str, str]) -> None:
    told(settings, make_alert("abc123"), make_alert("abd456"))
    done = run_command(environ, "alerts", "ack", "abc", "--by", "nora", "--note", "looking")
    assert done.stdout.startswith("nora has taken on abc123: ")
    assert {one["alert_id"]: one["acknowledged_by"] for one in listed(environ)} == {"abc123": "nora", "abd456": ""}
    assert "acknowledged by nora" in run_command(environ, "alerts").stdout


@pytest.mark.parametrize(
    ("alert_id", "sentence"),
    [("ab", "2 ids begin with 'ab': abc123, abd456"), ("x", "No alert has an id that begins with 'x'")],
)
def test_an_id_that_is_not_one_alerts_is_refused(
    settings: Settings, environ: dict[str, str], alert_id: str, sentence: str
) -> None:
    told(settings, make_alert("abc123"), make_alert("abd456"))
    refused = run_command(environ, "alerts", "ack", alert_id)
    assert refused.returncode == 2
    assert sentence in refused.stderr


def test_a_silence_is_made_listed_and_ended(settings: Settings, environ: dict[str, str]) -> None:
    options = ("--rule", "high_*", "--entity", "nora*", "--entity", "li*", "--severity", "high", "--for", "2h")
    made = run_command(environ, "alerts", "silence", *options, "--reason", "load test", "--by", "nora")
    (silence,) = json.loads(run_command(environ, "alerts", "silences", "--json").stdout)
    assert made.stdout.startswith(f"Silence {silence['control_id']} lasts until ")
    assert (silence["rules"], silence["entities"], silence["severities"]) == (["high_*"], ["nora*", "li*"], ["HIGH"])
    length = datetime.fromisoformat(silence["ends_at"]) - datetime.fromisoformat(silence["starts_at"])
    assert length == timedelta(hours=2)
    told(settings, make_alert("a1"), make_alert("a2", entity="zoe"))
    marks = {one["alert_id"]: one["silenced_by"] for one in listed(environ)}
    assert marks == {"a1": [silence["control_id"]], "a2": []}
    shown = run_command(environ, "alerts", "silences").stdout
    assert "load test" in shown
    assert run_command(environ, "alerts", "unsilence", silence["control_id"][:6]).returncode == 0
    assert run_command(environ, "alerts", "silences").stdout == "Nothing is silenced.\n"
    assert "load test" in run_command(environ, "alerts", "silences", "--all").stdout
    told(settings, make_alert("a1", 2))
    marks = {one["alert_id"]: one["silenced_by"] for one in listed(environ)}
    assert marks == {"a1": [], "a2": []}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--for", "2h"), "would silence everything"),
        (("--rule", "x", "--for", "soon"), "'soon' is no duration"),
        (("--rule", "x", "--for", "0h"), "'0h' is no duration"),
    ],
)
def test_a_silence_of_everything_or_of_no_length_is_refused(
    environ: dict[str, str], options: tuple[str, ...], sentence: str
) -> None:
    refused = run_command(environ, "alerts", "silence", *options)
    assert refused.returncode == 2
    assert sentence in refused.stderr
    assert run_command(environ, "alerts", "silences").stdout == "Nothing is silenced.\n"


def test_a_maintenance_window_that_is_open_is_listed(
    settings: Settings, environ: dict[str, str], tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    now = datetime.now(UTC)
    bounds = (
        f'from = "{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"\nto = "{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"'
    )
    rules.write_text(f'[[maintenance]]\nname = "load_test"\n{bounds}\n')
    told(settings, make_alert("a1", occurred_at=now, started_at=now))
    with_rules = {**environ, "TOKENTRAIL_RULES": str(rules)}
    assert "maintenance:load_test" in run_command(with_rules, "alerts", "silences").stdout
    assert listed(with_rules)[0]["silenced_by"] == ["maintenance:load_test"]


def test_alerts_that_belong_together_are_one_incident(settings: Settings, environ: dict[str, str]) -> None:
    told(
        settings,
        make_alert("a1", evidence=["c1"]),
        make_alert("a2", evidence=["c1"], rule="token_spike", severity="CRITICAL"),
        make_alert("b1", entity="li"),
        resolved(make_alert("b1", entity="li")),
    )
    run_command(environ, "alerts", "ack", "a2", "--by", "nora")
    found = json.loads(run_command(environ, "alerts", "--incidents", "--since", "7000d", "--json").stdout)
    incidents = {one["incident_id"]: one for one in found}
    assert incidents.keys() == {identify_incident("a1"), identify_incident("b1")}
    together = incidents[identify_incident("a1")]
    assert [one["alert_id"] for one in together["alerts"]] == ["a1", "a2"]
    assert (together["state"], together["severity"], together["acknowledged_by"]) == ("open", "CRITICAL", ["nora"])
    assert incidents[identify_incident("b1")]["state"] == "over"
    assert "high_request_volume, token_spike" in run_command(environ, "alerts", "--incidents").stdout
    # The one that is over is older than a day.
    assert len(json.loads(run_command(environ, "alerts", "--incidents", "--json").stdout)) == 1


def test_following_prints_what_was_told_and_what_comes(settings: Settings, environ: dict[str, str]) -> None:
    told(settings, make_silence("s1", entities=["nora*"]))
    told(settings, make_alert("a1"))
    command = [sys.executable, "-m", "tokentrail.cli.main", "alerts", "--follow", "--json"]
    with subprocess.Popen(command, env={**os.environ, **environ}, stdout=subprocess.PIPE) as following:
        assert following.stdout
        try:
            first = msgspec.json.decode(following.stdout.readline())
            told(settings, make_alert("a2", entity="li"))
            second = msgspec.json.decode(following.stdout.readline())
        finally:
            following.terminate()
    assert (first["alert_id"], first["silenced_by"]) == ("a1", ["s1"])
    assert (second["alert_id"], second["incident_id"]) == ("a2", identify_incident("a2"))
