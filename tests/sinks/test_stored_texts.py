"""Columns are compared by their bytes as they would be value by value."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.sinks.integrity.stored_texts import holds_map, holds_texts

TEXTS = st.lists(st.none() | st.sampled_from(("", "a", "ab", "b", "…", "…a")), max_size=6)
MAPS = st.lists(
    st.none() | st.dictionaries(st.sampled_from(("a", "b…", "")), st.sampled_from(("", "x", "xy"))), max_size=5
)


@given(stored=TEXTS, texts=TEXTS, coded=st.booleans(), left_out=st.integers(0, 3))
def test_texts_are_held_where_each_is_the_same(
    *, stored: list[str], texts: list[str], coded: bool, left_out: int
) -> None:
    for expected in (stored, texts):
        column = pa.array(["xyz"] * left_out + [text or "" for text in stored], pa.string())
        column = (column.dictionary_encode() if coded else column)[left_out:]
        same = [text or "" for text in stored] == [text or "" for text in expected]
        assert holds_texts(column, expected) == same


@given(MAPS, MAPS, st.integers(0, 2))
def test_maps_are_held_where_their_pairs_are_the_same(
    stored: list[dict[str, str]], maps: list[dict[str, str]], left_out: int
) -> None:
    for expected in (stored, maps):
        pairs = [[("other", "1")]] * left_out + [list((one or {}).items()) for one in stored]
        column = pa.array(pairs, pa.map_(pa.string(), pa.string()))[left_out:]
        same = [list((one or {}).items()) for one in stored] == [list((one or {}).items()) for one in expected]
        assert holds_map(column, expected) == same


def test_counts_are_held_and_what_is_no_text_is_not() -> None:
    column = pa.array([[("email", 2)], []], pa.map_(pa.string(), pa.uint32()))
    assert holds_map(column, [{"email": 2}, None])
    assert not holds_map(column, [{"email": 3}, None])
    assert not holds_map(column, [{}, {"email": 2}])
    assert not holds_texts(pa.array([None], pa.string()), [None])
    assert not holds_texts(pa.array([1]), ["1"])
    assert not holds_texts(pa.array(["?"]), ["\ud800"])
