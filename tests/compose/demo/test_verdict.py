from datetime import UTC, datetime, timedelta

import msgspec

from tokentrail.compose.demo.incidents import Finding
from tokentrail.compose.demo.verdict import ExpectedIncident, HeardAlert, judge_alerts
from tokentrail.schemas.alerts import Alert, AlertState, Severity

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
STORM = ExpectedIncident("storm", Finding("high_error_rate", "request_model", "m"), START)
BURST = ExpectedIncident("burst", Finding("high_request_volume", "user_id", "u"), START)


def hear(finding: Finding, after_s: float, state: AlertState = AlertState.FIRING, alert_id: str = "a") -> HeardAlert:
    alert = Alert(
        alert_id=alert_id, revision=1, state=state, rule=finding.rule, rule_version="1", severity=Severity.HIGH,
        dimension=finding.dimension, entity=finding.entity, metric="calls", value=2, baseline=1, threshold=1,
        window_s=60, started_at=START, occurred_at=START, evidence=[], summary="", recommendation="",
        action_required=True,
    )  # fmt: skip
    return HeardAlert(alert, START + timedelta(seconds=after_s))


def test_an_incident_is_found_by_the_alert_it_should_raise_and_timed() -> None:
    verdict = judge_alerts([STORM], [hear(STORM.finding, 2.5)])
    assert verdict.clean
    assert verdict.found[0].seconds == 2.5
    assert verdict.alerts_by_rule == {"high_error_rate": 1}


def test_an_incident_without_its_alert_is_missed() -> None:
    verdict = judge_alerts([STORM, BURST], [hear(STORM.finding, 1)])
    assert verdict.missed == [BURST]
    assert not verdict.clean


def test_an_alert_on_another_entity_is_raised_on_nothing() -> None:
    other = hear(Finding("high_error_rate", "request_model", "other"), 1, alert_id="b")
    verdict = judge_alerts([STORM], [hear(STORM.finding, 1), other])
    assert verdict.false_alerts == [other.alert]
    assert not verdict.clean


def test_an_alert_about_something_that_the_incident_touches_tells_of_it_too_but_does_not_find_it() -> None:
    touching = msgspec.structs.replace(STORM, touches={"provider": "p", "server_address": "127.0.0.1"})
    for dimension, entity in (("provider", "p"), ("server_address+endpoint", "127.0.0.1\x1f/v1")):
        around = Finding("provider_unhealthy", dimension, entity)
        assert judge_alerts([touching], [hear(around, 1), hear(STORM.finding, 2, alert_id="b")]).clean
        assert judge_alerts([touching], [hear(around, 1)]).missed == [touching]
        assert judge_alerts([touching], [hear(around, -1)]).false_alerts


def test_an_alert_before_its_incident_is_raised_on_nothing_and_finds_nothing() -> None:
    verdict = judge_alerts([STORM], [hear(STORM.finding, -1)])
    assert len(verdict.false_alerts) == 1
    assert verdict.missed == [STORM]


def test_an_alert_told_twice_counts_once_at_its_first_telling() -> None:
    verdict = judge_alerts([STORM], [hear(STORM.finding, 1), hear(STORM.finding, 9)])
    assert verdict.alerts_by_rule == {"high_error_rate": 1}
    assert verdict.found[0].seconds == 1


def test_updates_and_resolutions_are_no_findings() -> None:
    states = (AlertState.UPDATED, AlertState.RESOLVED)
    verdict = judge_alerts([STORM], [hear(STORM.finding, 1, state) for state in states])
    assert verdict.missed == [STORM]
    assert verdict.alerts_by_rule == {}
