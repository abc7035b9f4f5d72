"""What one entity remembers, and what time alone brings about."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from made_rows import USERS, many_calls, row

from tokentrail.processors.number_codes import decode_numbers
from tokentrail.processors.rule_plans import FORGET_S
from tokentrail.processors.watching import EntityKey, PartitionWatch
from tokentrail.schemas.alerts import Alert, AlertState
from tokentrail.schemas.rules import Absence, Budget, BurnRate, NewEntity, RatioToBaseline, Rule, Threshold
from tokentrail.schemas.slices import FrameView, Row, Slice

BEGIN = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())


class Watched:
    """A watch of one source, fed by the second."""

    def __init__(self, *rules: Rule, views: Sequence[FrameView] = USERS) -> None:
        self.entities: dict[EntityKey, Any] = {}  # tests look into them
        self.watch = PartitionWatch(rules, self.entities)
        self._views = views

    def see(self, second: int, made: Row | None = None, entity: str = "ann", *extras: Any) -> list[Alert]:
        slices = [Slice(BEGIN + second, 0, entity, 0, extras or None)] if made else []
        self.watch.apply(0, 1, BEGIN + second, self._views, [made] if made else [], slices)
        return list(self.watch.advance())

    def until(self, second: int) -> list[Alert]:
        return self.see(second)


def _told(alerts: list[Alert]) -> list[tuple[str, int]]:
    return [(alert.state.value, int(alert.occurred_at.timestamp()) - BEGIN - 1) for alert in alerts]


def test_silence_is_told_of_in_the_second_in_which_a_call_is_overdue_and_ends_with_the_next_call() -> None:
    rule = many_calls(condition=Absence(after_s=120), min_calls=3, learning_s=0, keep_firing_for_s=0)
    watched = Watched(rule)
    for second in range(0, 600, 10):
        assert watched.see(second, row(calls=1)) == []
    assert _told(watched.until(1000))[0] == ("firing", 590 + 121)
    assert _told(watched.see(1001, row(calls=1))) == [("resolved", 1001)]


def test_a_silence_is_noticed_although_detection_was_restarted_meanwhile() -> None:
    rule = many_calls(condition=Absence(after_s=120), min_calls=3, learning_s=0)
    watched = Watched(rule)
    for second in range(0, 600, 10):
        watched.see(second, row(calls=1))
    watched.watch = PartitionWatch([rule], watched.entities, watched.watch.mark)
    assert _told(watched.until(1000))[0] == ("firing", 590 + 121)


def test_a_new_entity_is_told_of_once_detection_has_learnt_for_a_while() -> None:
    watched = Watched(many_calls(condition=NewEntity(), learning_s=900))
    assert watched.see(0, row(calls=1)) == []
    assert watched.see(899, row(calls=1), "bob") == []
    (alert,) = watched.see(900, row(calls=1), "eve")
    assert (alert.entity, alert.condition) == ("eve", "new_entity")


def test_spend_counts_from_the_first_of_the_month() -> None:
    budget = Budget(limits_usd={"ann": 10.0}, at=0.8)
    watched = Watched(many_calls(metric="cost_usd", condition=budget, keep_firing_for_s=0))
    usd = 10**9
    assert watched.see(0, row(calls=1, cost_nano_usd=7 * usd)) == []
    assert watched.see(1, row(calls=1, cost_nano_usd=9 * usd), "bob") == []
    (alert,) = watched.see(2, row(calls=1, cost_nano_usd=2 * usd))
    assert (alert.value, alert.threshold) == (9.0, 8.0)
    april = 30 * 86_400
    (resolved,) = watched.see(april, row(calls=1, cost_nano_usd=usd))
    assert (resolved.state, resolved.value) == (AlertState.RESOLVED, 1.0)


def test_a_burn_rate_must_be_too_high_in_both_windows() -> None:
    rule = many_calls(metric="error_ratio", condition=BurnRate(allowed=0.01, factor=10, long_window_s=600))
    watched = Watched(rule)
    for second in range(0, 600, 5):
        assert watched.see(second, row(calls=10)) == []
    states = [watched.see(600 + second, row(calls=10, errors=4)) for second in range(0, 300, 5)]
    first = next(number for number, alerts in enumerate(states) if alerts)
    assert first > 60 / 5, "the short window alone was enough"
    assert states[first][0].value == pytest.approx(0.4)


@pytest.mark.parametrize(("metric", "failed"), [("unavailable", "server_errors"), ("tokens", "output_tokens")])
def test_a_metric_of_several_sums_counts_seconds_that_have_only_the_last_of_them(metric: str, failed: str) -> None:
    watched = Watched(many_calls(metric=metric, condition=Threshold(above=2)))
    sums: dict[str, Any] = {"calls": 1, failed: 1}
    told = [watched.see(second, row(**sums)) for second in range(3)]
    assert _told(told[2]) == [("firing", 2)]


def test_addresses_that_a_key_never_came_from_are_counted_once_it_is_known() -> None:
    views = (FrameView("api_key_id", ("ip_addresses",)),)
    rule = many_calls(metric="new_ip_addresses", by=["api_key_id"], condition=Threshold(above=1), learning_s=900)
    watched = Watched(rule, views=views)
    for second in range(10):
        assert watched.see(second, row(calls=1), "key", [second]) == []
    assert watched.see(1000, row(calls=1), "key", [3, 4]) == []
    assert watched.see(1001, row(calls=1), "key", [100]) == []
    (alert,) = watched.see(1002, row(calls=1), "key", [101])
    assert alert.value == 2.0


def test_an_entity_is_forgotten_once_nothing_it_remembers_can_matter() -> None:
    watched = Watched(many_calls())
    watched.see(0, row(calls=1))
    watched.until(60)
    assert watched.entities
    watched.until(200)
    assert not watched.entities
    assert watched.watch.dirty == {("user_id", "ann")}


def test_an_entity_with_an_open_alert_is_not_forgotten() -> None:
    watched = Watched(many_calls(keep_firing_for_s=1000))
    (firing,) = watched.see(0, row(calls=11))
    assert watched.until(900) == []
    assert watched.entities
    (resolved,) = watched.until(2000)
    assert resolved.alert_id == firing.alert_id
    watched.until(3000)
    assert not watched.entities


def test_evidence_is_of_the_time_that_the_alert_is_about() -> None:
    watched = Watched(many_calls(condition=Threshold(above=1)))

    def calls() -> Iterator[list[Alert]]:
        yield watched.see(0, row("old", calls=1))
        yield watched.see(50, row("first", calls=1))
        yield watched.see(1000, row("second", calls=1))
        yield watched.see(1001, row("third", calls=1))

    (*_, (alert,)) = calls()
    assert alert.evidence == ["third", "second"]


@pytest.mark.parametrize("metric", ["errors", "error_ratio"])
def test_evidence_of_errors_are_failed_calls(metric: str) -> None:
    watched = Watched(many_calls(metric=metric, condition=Threshold(above=0.5)))
    (alert,) = watched.see(0, row("largest", 500, "failed", calls=2, errors=2))
    assert alert.evidence == ["failed"]


def test_who_is_new_does_not_depend_on_which_partition_owns_it_or_on_a_restart() -> None:
    rule = many_calls(condition=NewEntity(), learning_s=900)
    watch = PartitionWatch([rule], {})
    watch.apply(0, 1, BEGIN + 10, USERS, [], [], opened=BEGIN)
    assert list(watch.advance()) == []
    assert watch.mark is not None
    for owner in (watch, PartitionWatch([rule], {}, watch.mark)):
        owner.apply(0, 1, BEGIN + 900, USERS, [row(calls=1)], [Slice(BEGIN + 900, 0, "eve", 0)], opened=BEGIN + 20)
        (alert,) = owner.advance()
        assert alert.entity == "eve"


def test_detection_that_was_restarted_before_anybody_came_still_learns() -> None:
    rule = many_calls(condition=NewEntity(), learning_s=900)
    watch = PartitionWatch([rule], {})
    watch.apply(0, 1, BEGIN, USERS, [], [])
    assert list(watch.advance()) == []
    again = PartitionWatch([rule], {}, watch.mark)
    again.apply(0, 1, BEGIN + 900, USERS, [row(calls=1)], [Slice(BEGIN + 900, 0, "eve", 0)])
    assert list(again.advance()) == []


def test_a_silence_is_not_told_of_for_ever() -> None:
    rule = many_calls(condition=Absence(after_s=120), min_calls=3, learning_s=0)
    watched = Watched(rule)
    for second in range(0, 600, 10):
        watched.see(second, row(calls=1))
    assert _told(watched.until(800))[0] == ("firing", 590 + 121)
    watched.entities["user_id", "ann"].last_seen -= FORGET_S  # ticking through a month takes long
    (resolved,) = watched.until(5000)
    assert resolved.state is AlertState.RESOLVED
    assert watched.watch.mark is not None
    assert (watched.watch.mark.active, watched.watch.mark.timers) == ([], [])


def test_a_burst_that_quiet_follows_is_not_learnt_although_its_alert_has_ended_by_the_next_call() -> None:
    rule = many_calls(condition=RatioToBaseline(factor=3), learning_s=0, keep_firing_for_s=5)
    watched = Watched(rule)
    for second in range(0, 600, 10):
        watched.see(second, row(calls=1))
    (firing,) = watched.see(605, row(calls=500))
    assert [alert.state.value for alert in watched.until(900)] == ["resolved"]
    for second in range(905, 975, 10):
        watched.see(second, row(calls=1))
    baseline = watched.entities["user_id", "ann"].baselines[rule.name]
    assert max(decode_numbers(baseline.samples)) == firing.baseline
