"""Which alert tells of which incident, and what is noise."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.scoring.matching import AFTERMATH_S, match_alerts, tells_of
from tokentrail.processors.simulation.labels import Incident
from tokentrail.schemas.alerts import Alert, AlertState, Severity

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOOP = Incident(
    kind="agent_loop",
    start=START,
    end=START + timedelta(minutes=10),
    entities={"user_id": ["ann"], "department": ["sales"]},
    harmless=False,
    note="",
)
LAUNCH = Incident(
    kind="launch_day",
    start=START,
    end=START + timedelta(hours=8),
    entities={"department": ["support"]},
    harmless=True,
    note="",
)


def fire(after_s: float, dimension: str = "user_id", entity: str = "ann", **fields: Any) -> Alert:
    at = START + timedelta(seconds=after_s)
    values: dict[str, Any] = {
        "alert_id": f"{dimension}{entity}{after_s}", "revision": 1, "state": AlertState.FIRING, "rule": "burst",
        "rule_version": "1", "severity": Severity.HIGH, "dimension": dimension, "entity": entity, "metric": "calls",
        "value": 2.0, "baseline": 1.0, "threshold": 1.0, "window_s": 60, "started_at": at, "occurred_at": at,
        "evidence": [], "summary": "", "recommendation": "", "action_required": True,
    }  # fmt: skip
    return Alert(**{**values, **fields})


def test_an_alert_on_what_an_incident_changes_finds_it_and_is_timed() -> None:
    matches = match_alerts([fire(90), fire(30)], [LOOP])
    (finding,) = matches.findings
    assert (finding.found, finding.rule, finding.time_to_detect_s, finding.windows_to_detect) == (
        True,
        "burst",
        30,
        0.5,
    )
    assert (matches.true_alerts, matches.noise) == (2, [])


def test_an_alert_on_somebody_else_is_noise_and_the_incident_is_missed() -> None:
    matches = match_alerts([fire(30, entity="bob")], [LOOP])
    assert not matches.findings[0].found
    assert [(noise.entity, noise.because_of) for noise in matches.noise] == [("bob", None)]


def test_an_alert_on_a_combined_entity_tells_of_what_any_of_its_fields_is_about() -> None:
    assert tells_of(fire(30, "department+request_model", "sales\x1fgpt"), LOOP)
    assert not tells_of(fire(30, "department+request_model", "legal\x1fsales"), LOOP)


def test_an_alert_may_come_in_the_aftermath_but_not_before_nor_long_after() -> None:
    end_s = (LOOP.end - LOOP.start).total_seconds()
    assert tells_of(fire(end_s + AFTERMATH_S), LOOP)
    assert not tells_of(fire(end_s + AFTERMATH_S + 1), LOOP)
    assert tells_of(fire(end_s + AFTERMATH_S + 1, window_s=3600), LOOP)
    assert not tells_of(fire(-1), LOOP)


def test_an_alert_for_a_look_alike_is_noise_because_of_it_unless_it_tells_of_an_incident_too() -> None:
    support = fire(30, "department", "support")
    matches = match_alerts([support], [LOOP, LAUNCH])
    assert [noise.because_of for noise in matches.noise] == ["launch_day"]
    also = Incident(
        kind="department_surge", start=START, end=LOOP.end, entities=LAUNCH.entities, harmless=False, note=""
    )
    assert match_alerts([support], [LAUNCH, also]).noise == []


@given(st.lists(st.tuples(st.integers(-1000, 40_000), st.sampled_from(["ann", "bob", "cat"])), max_size=40))
def test_every_alert_that_fired_is_counted_once(moments: list[tuple[int, str]]) -> None:
    alerts = [fire(after_s, entity=entity) for after_s, entity in moments]
    updates = [fire(after_s, state=AlertState.UPDATED) for after_s, _ in moments]
    matches = match_alerts(alerts + updates, [LOOP, LAUNCH])
    assert matches.true_alerts + len(matches.noise) == len(alerts)
