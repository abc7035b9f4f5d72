"""What becomes of open alerts when the rules change under them."""

from collections.abc import Iterator

import msgspec

from tokentrail.processors.entities import Entity
from tokentrail.processors.watching import EntityKey, PartitionWatch
from tokentrail.schemas.alerts import Alert, AlertState, Severity
from tokentrail.schemas.rules import Rule, Threshold
from tokentrail.schemas.slices import Slice

RULE = Rule(
    name="many_calls",
    metric="calls",
    by=["user_id"],
    window_s=60,
    condition=Threshold(above=10),
    severity=Severity.HIGH,
    keep_firing_for_s=5,
)


def _live(watch: PartitionWatch, seconds: range, calls: int) -> Iterator[Alert]:
    for second in seconds:
        slices = [Slice(second, 0, "ann", (calls, 0, 1, 1), f"call-{second}", 2, "")] if calls else []
        watch.apply(0, 1, second, ["user_id"], slices)
        yield from watch.advance()


def _opened() -> tuple[dict[EntityKey, Entity], PartitionWatch, Alert]:
    entities: dict[EntityKey, Entity] = {}
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


def test_an_entity_whose_rule_is_gone_wants_no_more_ticks() -> None:
    entities, watch, _ = _opened()
    other = msgspec.structs.replace(RULE, name="other_rule", condition=Threshold(above=1000))
    again = PartitionWatch([other], entities, watch.mark)
    assert list(_live(again, range(1003, 1010), 0)) == []
    assert again.mark is not None
    assert again.mark.active == []


def test_an_alert_resolves_by_the_passing_of_time_alone() -> None:
    _, watch, firing = _opened()
    (resolved,) = _live(watch, range(1003, 1100), 0)
    assert (resolved.alert_id, resolved.state) == (firing.alert_id, AlertState.RESOLVED)
