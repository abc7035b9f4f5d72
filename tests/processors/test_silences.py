"""Who silences an alert: pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from told_alerts import NOON, make_alert, make_silence, resolved

from tokentrail.processors.silences import find_silences, understand_maintenance
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.rules import Maintenance

MINUTE = timedelta(minutes=1)


def silenced(alert: Alert, at: datetime = NOON, **fields: Any) -> bool:
    silence = make_silence(starts_at=NOON - MINUTE, ends_at=NOON + MINUTE, **fields)
    return find_silences(alert, at, [silence]) == ("s1",)


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({}, True),
        ({"rules": ["high_*"]}, True),
        ({"rules": ["low_*", "high_request_volume"]}, True),
        ({"rules": ["HIGH_*"]}, False),
        ({"severities": ["HIGH"]}, True),
        ({"severities": ["CRITICAL"]}, False),
        ({"dimensions": ["user_id"]}, True),
        ({"dimensions": ["department"]}, False),
        ({"entities": ["nora*"]}, True),
        ({"entities": ["nora"]}, False),
        ({"entities": ["?ora.[a-d]ahl"]}, True),
        ({"rules": ["high_*"], "entities": ["li"]}, False),
    ],
)
def test_an_alert_must_fit_every_list_that_is_not_empty(fields: dict[str, Any], fits: bool) -> None:  # noqa: FBT001 - a case
    assert silenced(make_alert(), **fields) is fits


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"dimensions": ["department"], "entities": ["Sales"]}, True),
        ({"dimensions": ["request_model"], "entities": ["Sales"]}, False),
        ({"entities": ["gpt-*"]}, True),
        ({"entities": ["Sales / gpt-4o"]}, True),
        ({"dimensions": ["department+*"]}, True),
    ],
)
def test_of_a_combined_entity_one_part_is_enough(fields: dict[str, Any], fits: bool) -> None:  # noqa: FBT001 - a case
    combined = make_alert(dimension="department+request_model", entity="Sales\x1fgpt-4o")
    assert silenced(combined, **fields) is fits


@pytest.mark.parametrize(("at", "fits"), [(-MINUTE, True), (MINUTE, False), (-2 * MINUTE, False)])
def test_a_silence_counts_by_the_moment_of_detection(at: timedelta, fits: bool) -> None:  # noqa: FBT001 - a case
    long_ago = make_alert(occurred_at=NOON - timedelta(days=1))
    assert silenced(long_ago, NOON + at) is fits


def test_the_end_of_an_alert_that_was_there_before_is_told() -> None:
    before, within = make_alert(started_at=NOON - 2 * MINUTE), make_alert(started_at=NOON)
    assert silenced(before)
    assert not silenced(resolved(before, 0))
    assert silenced(resolved(within, 0))


def window(**fields: Any) -> Maintenance:
    return msgspec.convert({"name": "w1", **fields}, Maintenance)


def in_maintenance(moment: str, **fields: Any) -> bool:
    alert = make_alert(occurred_at=datetime.fromisoformat(moment), started_at=datetime.fromisoformat(moment))
    found = find_silences(alert, datetime.now(UTC), (), [understand_maintenance(window(**fields))])
    return found == ("maintenance:w1",)


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-03-02T21:59:59Z", False),
        ("2026-03-02T22:00:00Z", True),
        ("2026-03-03T01:59:59Z", True),
        ("2026-03-03T02:00:00Z", False),
        ("2026-03-03T22:30:00Z", False),
        ("2026-03-07T23:00:00Z", True),
        ("2026-03-08T01:00:00Z", True),
        ("2026-03-03T00:30:00+01:00", True),
    ],
)
def test_a_weekly_window_may_end_on_the_next_day(moment: str, inside: bool) -> None:  # noqa: FBT001 - a case
    assert in_maintenance(moment, days=["mon", "sat"], **{"from": "22:00", "to": "02:00"}) is inside


def test_a_window_from_a_time_to_the_same_time_is_a_day() -> None:
    day = {"days": ["mon"], "from": "06:00", "to": "06:00"}
    assert in_maintenance("2026-03-03T05:59:59Z", **day)
    assert not in_maintenance("2026-03-03T06:00:00Z", **day)


def test_a_single_window_counts_by_event_time() -> None:
    once = {"from": "2026-03-02T12:00:00+01:00", "to": "2026-03-02T12:00:00Z"}
    assert in_maintenance("2026-03-02T11:00:00Z", **once)
    assert not in_maintenance("2026-03-02T12:00:00Z", **once)


def test_a_window_is_for_its_rules_and_entities() -> None:
    once = {"from": "2026-03-02T11:00:00Z", "to": "2026-03-02T13:00:00Z"}
    noon = NOON.isoformat()
    assert in_maintenance(noon, **once, rules=["high_*"], entities=["nora*"])
    assert not in_maintenance(noon, **once, rules=["token_*"])
    assert not in_maintenance(noon, **once, entities=["li*"])


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"from": "22:00", "to": "2026-03-02T12:00:00Z"}, "`from` is '22:00'; without `days` it is a moment"),
        ({"from": "2026-03-02T12:00:00", "to": "2026-03-03"}, "`from` is '2026-03-02T12:00:00'"),
        ({"from": "2026-03-02T12:00:00Z", "to": "2026-03-02T12:00:00Z"}, "is not after"),
        ({"days": ["mon"], "from": "24:00", "to": "02:00"}, "`from` is '24:00'; with `days` it is a time of day"),
        ({"days": ["mon"], "from": "22:00", "to": "2026-03-02T12:00:00Z"}, "`to` is '2026-03-02"),
    ],
)
def test_times_that_are_none_are_refused_with_their_field(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        understand_maintenance(window(**fields))
