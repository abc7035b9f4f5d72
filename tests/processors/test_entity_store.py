import pytest

from tokentrail.processors.entities import Entity
from tokentrail.processors.entity_store import COOL_AFTER, EntityStore
from tokentrail.processors.views import route_entity
from tokentrail.processors.watching import WatchMark

MARK = WatchMark(clock=100, active=[("user_id", "ann")])


def test_what_is_saved_comes_back_from_the_table_and_from_the_changelog() -> None:
    table: dict[bytes, bytes] = {}
    store = EntityStore(table, 3)
    store["user_id", "ann"] = Entity(last_tick=100, recent=[(99, "call-1")])
    rows = store.save([("user_id", "ann")], MARK, 5000)
    for source in (table, {key: value for key, value in rows if value is not None}):
        again = EntityStore(source, 3)
        assert again["user_id", "ann"] == Entity(last_tick=100, recent=[(99, "call-1")])
        stored = again.load_mark()
        assert stored is not None
        assert (stored.mark, stored.written_ms) == (MARK, 5000)


def test_the_mark_is_written_last() -> None:
    store = EntityStore({}, 3)
    store["user_id", "ann"] = Entity()
    rows = store.save([("user_id", "ann")], MARK, 5000)
    assert [b"mark" in key for key, _ in rows] == [False, True]


def test_partitions_of_one_table_keep_marks_of_their_own() -> None:
    table: dict[bytes, bytes] = {}
    EntityStore(table, 3).save([], MARK, 5000)
    assert EntityStore(table, 4).load_mark() is None


def test_an_entity_nobody_knows_is_absent() -> None:
    with pytest.raises(KeyError):
        EntityStore({}, 3)["user_id", "bob"]


def test_an_entity_that_is_forgotten_is_deleted_from_the_table_and_from_the_changelog() -> None:
    table: dict[bytes, bytes] = {}
    store = EntityStore(table, 3)
    store["user_id", "ann"] = Entity()
    store.save([("user_id", "ann")], MARK, 5000)
    del store["user_id", "ann"]
    rows = store.save([("user_id", "ann")], MARK, 6000)
    assert rows[0][1] is None
    assert len(table) == 1
    with pytest.raises(KeyError):
        store["user_id", "ann"]


def test_an_entity_that_does_not_change_is_kept_as_bytes_only_and_comes_back_as_it_was() -> None:
    store = EntityStore({}, 3)
    store["user_id", "ann"] = Entity(last_tick=100)
    store.save([("user_id", "ann")], MARK, 5000)
    for _ in range(2 * COOL_AFTER):
        store.save([], MARK, 6000)
    assert len(store) == 0
    assert store["user_id", "ann"] == Entity(last_tick=100)


def test_a_partition_finds_its_own_entities_in_a_table_of_several() -> None:
    table: dict[bytes, bytes] = {}
    keys = [("user_id", f"user-{number}") for number in range(40)]
    for partition in range(4):
        store = EntityStore(table, partition)
        own = [key for key in keys if route_entity(*key, 4) == partition]
        for key in own:
            store[key] = Entity()
        store.save(own, MARK, 5000)
    found = [list(EntityStore(table, partition).stored_keys(4)) for partition in range(4)]
    assert all(found)
    assert sorted(key for keys_found in found for key in keys_found) == sorted(keys)
