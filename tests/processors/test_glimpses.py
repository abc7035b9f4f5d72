"""Glimpses: what is kept of entities seen in one second only, and that no alert is any different for it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_rows import USERS, many_calls, row

from tokentrail.processors.entities import Entity, Glimpse, Remembered
from tokentrail.processors.entity_store import EntityStore
from tokentrail.processors.observing import Observer
from tokentrail.processors.watching import EntityKey, PartitionWatch
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.rules import BurnRate, NewEntity, RatioToBaseline, Rule, Threshold
from tokentrail.schemas.slices import Slice

BEGIN = 1_772_409_600
RULES = [
    many_calls(name="many", condition=Threshold(above=10)),
    many_calls(name="burning", metric="error_ratio", condition=BurnRate(allowed=0.01, factor=5, long_window_s=120)),
    many_calls(name="usual", metric="tokens", learning_s=0, condition=RatioToBaseline(factor=2)),
    many_calls(name="large", metric="largest_call_tokens", condition=Threshold(above=300)),
]
Seen = tuple[int, str, int, int, int]


def watch(rules: list[Rule], seen: list[Seen], entities: Any) -> list[Alert]:
    watching = PartitionWatch(rules, entities)
    told: list[Alert] = []
    second = BEGIN
    for pause, entity, calls, errors, tokens in seen:
        second += pause
        made = row(calls=calls, errors=min(errors, calls), input_tokens=tokens)
        watching.apply(0, 1, second, USERS, [msgspec.structs.replace(made, largest_call_tokens=tokens)],
                       [Slice(second, 0, entity, 0)])  # fmt: skip
        told += watching.advance()
    watching.apply(0, 1, second + 10_000, USERS, [], [])
    return [*told, *watching.advance()]


class Forgetful(dict[EntityKey, Remembered]):
    """Entities that go through the table's bytes each time."""

    def get(self, key: EntityKey, default: Any = None) -> Any:
        found = super().get(key)
        if found is None:
            return default
        back: Remembered = msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=Entity | Glimpse)
        self[key] = back
        return back


@given(
    st.lists(
        st.tuples(
            st.integers(1, 90), st.sampled_from("abc"), st.integers(1, 15), st.integers(0, 3), st.integers(0, 400)
        ),
        max_size=25,
    )
)
def test_alerts_are_those_of_a_watch_that_keeps_every_entity_whole(seen: list[Seen]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Observer, "can_wait", lambda *_: False)
        whole = watch(RULES, seen, {})
    assert watch(RULES, seen, {}) == whole
    assert watch(RULES, seen, Forgetful()) == whole


def test_an_entity_that_is_seen_once_is_a_glimpse_and_whole_once_it_comes_again() -> None:
    entities: dict[EntityKey, Remembered] = {}
    watch(RULES, [(1, "ann", 1, 0, 100), (1, "bob", 1, 0, 100), (1, "bob", 1, 0, 100)], entities)
    assert {name: type(entity) for (_, name), entity in entities.items()} == {"ann": Glimpse, "bob": Entity}


@pytest.mark.parametrize(
    "rule", [RULES[0], many_calls(condition=NewEntity(), learning_s=0), many_calls(condition=Threshold(above=0))]
)
def test_a_rule_that_fires_on_one_second_fires_at_once(rule: Rule) -> None:
    told = watch([rule], [(1, "ann", 11, 0, 0)], {})
    assert told[0].occurred_at.timestamp() == BEGIN + 2


def test_a_glimpse_is_forgotten_when_its_time_has_come() -> None:
    entities: dict[EntityKey, Remembered] = {}
    watch([RULES[0]], [(1, "ann", 1, 0, 0)], entities)
    assert entities == {}


def test_a_glimpse_comes_back_from_the_store_as_it_was() -> None:
    table: dict[bytes, bytes] = {}
    store = EntityStore(table, 0)
    watching = PartitionWatch(RULES, store)
    watching.apply(0, 1, BEGIN, USERS, [row(calls=1)], [Slice(BEGIN, 0, "ann", 0)])
    list(watching.advance())
    assert watching.mark is not None
    store.save(watching.dirty, watching.mark, 0)
    assert EntityStore(table, 0)["user_id", "ann"] == store["user_id", "ann"]
    assert len(table[b"3user_id\x1fann"]) < 100
