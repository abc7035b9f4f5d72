import pytest

from tokentrail.processors.entities import Entity
from tokentrail.processors.entity_store import EntityStore
from tokentrail.processors.watching import WatchMark

MARK = WatchMark(clock=100, active=[("user_id", "ann")])


def test_what_is_saved_comes_back_from_the_table_and_from_the_changelog() -> None:
    table: dict[bytes, bytes] = {}
    store = EntityStore(table, 3)
    store["user_id", "ann"] = Entity(last_tick=100, recent=["call-1"])
    rows = store.save([("user_id", "ann")], MARK, 5000)
    for source in (table, dict(rows)):
        again = EntityStore(source, 3)
        assert again["user_id", "ann"] == Entity(last_tick=100, recent=["call-1"])
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
