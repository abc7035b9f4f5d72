"""How alerts are put together: a pure fold."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from told_alerts import NOON, make_alert, resolved

from tokentrail.processors import incidents
from tokentrail.processors.incidents import JOIN_WITHIN, Incident, IncidentBook, group_incidents, identify_incident
from tokentrail.schemas.alerts import Alert, AlertState


def grouped(*alerts: Alert) -> list[list[str]]:
    return [list(incident.alerts) for incident in group_incidents(alerts)]


def later(alert_id: str, seconds: float, **fields: Any) -> Alert:
    return make_alert(alert_id, occurred_at=NOON + timedelta(seconds=seconds), **fields)


def test_alerts_that_share_a_call_are_one_incident_named_after_the_first() -> None:
    first = make_alert("b", evidence=["call-1", "call-2"])
    second = later("a", 9, dimension="api_key_id", entity="k", evidence=["call-2"])
    (incident,) = group_incidents([second, first])
    assert list(incident.alerts) == ["b", "a"]
    assert incident.incident_id == identify_incident("b")
    assert (incident.opened_at, incident.changed_at) == (first.occurred_at, second.occurred_at)


def test_an_incident_goes_on_saying_what_it_began_with() -> None:
    first = make_alert("a", summary="4 calls at once")
    (incident,) = group_incidents([first, msgspec.structs.replace(resolved(first), summary="0 calls")])
    assert (incident.open, incident.began_with) == (False, "4 calls at once")


def test_alerts_of_one_rule_group_on_one_value_are_one_incident() -> None:
    user = make_alert("a", group="spend", dimension="user_id", entity="nora")
    assert grouped(user, later("b", 9, group="spend", dimension="user_id", entity="nora")) == [["a", "b"]]
    combined = later("b", 9, group="spend", dimension="department+user_id", entity="Sales\x1fnora")
    assert grouped(user, combined) == [["a", "b"]]


@pytest.mark.parametrize(
    "other",
    [
        {"group": "errors", "entity": "nora"},
        {"group": "spend", "entity": "li"},
        {"group": "spend", "entity": "nora", "dimension": "department"},
        {"group": "", "entity": "nora"},
    ],
)
def test_another_group_value_or_dimension_is_another_incident(other: dict[str, str]) -> None:
    assert grouped(make_alert("a", group="spend", entity="nora"), later("b", 9, **other)) == [["a"], ["b"]]


def test_alerts_without_group_on_one_value_are_each_their_own() -> None:
    assert grouped(make_alert("a"), later("b", 9)) == [["a"], ["b"]]


def test_an_alert_joins_up_to_five_minutes_after_the_last_change() -> None:
    first = make_alert("a", evidence=["c"])
    edge = JOIN_WITHIN.total_seconds()
    assert grouped(first, later("b", edge, evidence=["c"])) == [["a", "b"]]
    assert grouped(first, later("b", edge + 1, evidence=["c"])) == [["a"], ["b"]]
    update = make_alert("a", 2, occurred_at=NOON + timedelta(seconds=60), evidence=["c"])
    assert grouped(first, update, later("b", edge + 60, evidence=["c"])) == [["a", "b"]]


def test_an_incident_is_over_once_all_its_alerts_are_resolved() -> None:
    first, second = make_alert("a", evidence=["c"]), later("b", 5, evidence=["c"])
    one_left = [first, second, resolved(first, 10)]
    assert group_incidents(one_left)[0].open
    all_over = [*one_left, resolved(second, 20)]
    assert not group_incidents(all_over)[0].open
    assert grouped(*all_over, later("d", 30, evidence=["c"])) == [["a", "b"], ["d"]]


def test_what_ties_to_two_incidents_joins_the_older() -> None:
    assert grouped(
        make_alert("a", evidence=["c1"]), later("b", 5, evidence=["c2"]), later("d", 6, evidence=["c2", "c1"])
    ) == [["a", "d"], ["b"]]


def test_a_change_stays_in_its_incident_however_late_it_comes() -> None:
    first = make_alert("a", evidence=["c"])
    assert grouped(first, resolved(first, 86_400)) == [["a"]]


def test_a_record_that_comes_again_after_the_end_opens_nothing() -> None:
    book = IncidentBook()
    first = make_alert("a")
    assert book.take(first)
    assert book.take(resolved(first))
    assert book.take(first) is None
    assert book.incident_of("a") == identify_incident("a")


def test_only_so_many_alerts_of_the_past_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "REMEMBERED_ALERTS", 2)
    book = IncidentBook()
    open_one = make_alert("open")
    book.take(open_one)
    for number in range(4):
        alert = make_alert(f"a{number}")
        book.take(alert)
        book.take(resolved(alert))
    assert [bool(book.incident_of(one)) for one in ("a0", "a1", "a2", "a3", "open")] == [False, False, True, True, True]


CHANGES = st.lists(
    st.builds(
        lambda number, second, calls, group, entity: make_alert(
            f"a{number}",
            1,
            occurred_at=NOON + timedelta(seconds=second),
            evidence=[f"call-{call}" for call in calls],
            group=group,
            entity=entity,
        ),
        st.integers(0, 12),
        st.integers(0, 900),
        st.lists(st.integers(0, 6), max_size=2),
        st.sampled_from(["", "g1", "g2"]),
        st.sampled_from(["x", "y", "x\x1fy"]),
    ),
    max_size=12,
    unique_by=lambda alert: alert.alert_id,
)


@st.composite
def stories(draw: st.DrawFn) -> list[Alert]:
    """Alerts, each with some updates and perhaps its end."""
    told = []
    for first in draw(CHANGES):
        told.append(first)
        second = 0
        for revision in range(2, draw(st.integers(1, 4)) + 1):
            second += draw(st.integers(0, 400))
            last = draw(st.booleans())
            told.append(
                msgspec.structs.replace(
                    first,
                    revision=revision,
                    state=AlertState.RESOLVED if last else AlertState.UPDATED,
                    occurred_at=first.occurred_at + timedelta(seconds=second),
                )
            )
            if last:
                break
    return told


def seen(found: list[Incident]) -> list[object]:
    return [
        (
            one.incident_id,
            one.opened_at,
            one.changed_at,
            one.open,
            [(a.alert_id, a.revision) for a in one.alerts.values()],
        )
        for one in found
    ]


@given(story=stories(), data=st.data())
def test_neither_order_nor_records_that_come_again_change_anything(story: list[Alert], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(story), max_size=5)) if story else []
    mixed = data.draw(st.permutations([*story, *again]))
    assert seen(group_incidents(mixed)) == seen(group_incidents(story))


@given(story=stories())
def test_every_alert_is_in_one_incident_and_every_incident_is_named_after_its_first(story: list[Alert]) -> None:
    found = group_incidents(story)
    members = [alert_id for incident in found for alert_id in incident.alerts]
    assert sorted(members) == sorted({alert.alert_id for alert in story})
    assert all(incident.incident_id == identify_incident(next(iter(incident.alerts))) for incident in found)


@given(story=stories(), data=st.data())
def test_a_reader_that_meets_records_again_puts_each_alert_where_it_was(
    story: list[Alert], data: st.DataObject
) -> None:
    """In whatever order they arrived: what an alert was put into once never changes."""
    arrived = data.draw(st.permutations(story))
    book = IncidentBook()
    for alert in arrived:
        book.take(alert)
    before = {alert.alert_id: book.incident_of(alert.alert_id) for alert in arrived}
    for alert in data.draw(st.permutations(arrived)):
        assert book.take(alert) is None
    assert {alert.alert_id: book.incident_of(alert.alert_id) for alert in arrived} == before
