"""What becomes of open alerts when the rules change under them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from made_rows import USERS, many_calls, row

from tokentrail.processors.rule_plans import FORGET_S
from tokentrail.processors.rule_reload import RuleFileWatch
from tokentrail.processors.watching import EntityKey, PartitionWatch
from tokentrail.schemas.alerts import Alert, AlertState
from tokentrail.schemas.rules import BurnRate, Threshold
from tokentrail.schemas.slices import Slice

RULE = many_calls()
RULE_TEXT = """
[[rule]]
name = "many_calls"
metric = "calls"
by = ["user_id"]
window_s = 60
condition = { type = "threshold", above = 10 }
severity = "HIGH"
"""


def _live(watch: PartitionWatch, seconds: range, calls: int) -> Iterator[Alert]:
    for second in seconds:
        slices = [Slice(second, 0, "ann", 0)] if calls else []
        watch.apply(0, 1, second, USERS, [row(f"call-{second}", calls=calls)], slices)
        yield from watch.advance()


def _opened() -> tuple[dict[EntityKey, Any], PartitionWatch, Alert]:
    entities: dict[EntityKey, Any] = {}
    watch = PartitionWatch([RULE], entities)
    (firing,) = _live(watch, range(1000, 1003), 5)
    assert firing.state is AlertState.FIRING
    return entities, watch, firing


def test_an_alert_of_a_changed_rule_ends_under_its_own_id_and_the_new_rule_starts_afresh() -> None:
    entities, watch, firing = _opened()
    changed = msgspec.structs.replace(RULE, condition=Threshold(above=11))
    again = PartitionWatch([changed], entities, watch.mark)
    resolved, fresh = list(_live(again, range(1003, 1004), 5))
    assert (resolved.alert_id, resolved.state, resolved.revision) == (firing.alert_id, AlertState.RESOLVED, 2)
    assert (fresh.state, fresh.revision) == (AlertState.FIRING, 1)
    assert fresh.alert_id != firing.alert_id


@pytest.mark.parametrize("by", ["user_id", "provider"])
def test_an_alert_whose_rule_is_gone_ends_and_its_entity_wants_no_more_ticks(by: str) -> None:
    entities, watch, firing = _opened()
    other = many_calls(name="other_rule", by=[by], condition=Threshold(above=1000))
    again = PartitionWatch([other], entities, watch.mark)
    (resolved,) = list(_live(again, range(1003, 1010), 0))
    assert (resolved.alert_id, resolved.state, resolved.revision) == (firing.alert_id, AlertState.RESOLVED, 2)
    assert again.mark is not None
    assert again.mark.active == []


def test_rules_that_change_while_it_runs_leave_the_alerts_of_the_others_open() -> None:
    entities, watch, firing = _opened()
    watch.follow([RULE, many_calls(name="more_calls", condition=Threshold(above=14))])
    (more,) = [alert for alert in _live(watch, range(1003, 1005), 5) if alert.rule != RULE.name]
    assert (more.rule, more.state) == ("more_calls", AlertState.FIRING)
    watch.follow([RULE])
    (gone,) = [alert for alert in _live(watch, range(1005, 1006), 5) if alert.rule != RULE.name]
    assert (gone.alert_id, gone.state) == (more.alert_id, AlertState.RESOLVED)
    assert entities["user_id", "ann"].tracks[RULE.name].firing
    assert firing.state is AlertState.FIRING


def test_a_bad_rule_file_changes_nothing_and_a_good_one_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULE_TEXT)
    file = RuleFileWatch(path)
    assert file.changed() is None
    path.write_text("[[rule]]\nname = 3\n")
    assert file.changed() is None
    assert [rule.name for rule in file.rules] == ["many_calls"]
    path.write_text(RULE_TEXT.replace("many_calls", "other_calls"))
    assert [rule.name for rule in file.changed() or ()] == ["other_calls"]
    path.unlink()
    assert file.changed() is None


def test_an_alert_resolves_by_the_passing_of_time_alone() -> None:
    _, watch, firing = _opened()
    (resolved,) = _live(watch, range(1003, 1100), 0)
    assert (resolved.alert_id, resolved.state) == (firing.alert_id, AlertState.RESOLVED)


def test_a_new_rule_with_a_second_window_does_not_stumble_over_entities_that_have_none_yet() -> None:
    _, watch, firing = _opened()
    burning = many_calls(name="burning", condition=BurnRate(allowed=1, factor=2, long_window_s=600))
    watch.follow([RULE, burning])
    (resolved,) = _live(watch, range(1003, 1100), 0)
    assert (resolved.alert_id, resolved.state) == (firing.alert_id, AlertState.RESOLVED)


def test_an_alert_whose_rule_looks_at_another_window_now_ends_although_no_call_comes() -> None:
    _, watch, firing = _opened()
    watch.follow([many_calls(window_s=300)])
    (resolved,) = _live(watch, range(1003, 1010), 0)
    assert (resolved.alert_id, resolved.state, resolved.revision) == (firing.alert_id, AlertState.RESOLVED, 2)
    assert watch.mark is not None
    assert watch.mark.active == []


@pytest.mark.parametrize("restarted", [False, True])
def test_entities_of_a_view_that_no_rule_looks_at_any_more_are_forgotten_too(*, restarted: bool) -> None:
    entities: dict[EntityKey, Any] = {}
    watch = PartitionWatch([RULE], entities)
    assert list(_live(watch, range(1000, 1001), 5)) == []
    other = [many_calls(by=["provider"])]
    watch.follow(other)
    if restarted:
        watch = PartitionWatch(other, entities, watch.mark)
        watch.expect(("user_id", "ann"), 1000)
    watch.dirty.clear()
    list(_live(watch, range(1000 + FORGET_S + 2, 1000 + FORGET_S + 3), 0))
    assert entities == {}
    assert watch.dirty == {("user_id", "ann")}
