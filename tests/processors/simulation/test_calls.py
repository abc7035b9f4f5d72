from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.simulation.calls import draw_ids, format_ids, join_calls, new_calls
from tokentrail.processors.simulation.names import name_content, name_contents, name_session, name_sessions
from tokentrail.processors.simulation.plans import Surge


@given(seed=st.integers(0, 2**32), count=st.integers(0, 20))
def test_ids_are_uuids_of_their_own(seed: int, count: int) -> None:
    texts = format_ids(draw_ids(count, np.random.default_rng(seed)))
    assert [str(UUID(text)) for text in texts] == texts
    assert all(UUID(text).version == 4 for text in texts)
    assert len(set(texts)) == count


@given(st.lists(st.integers(-1, 2**63 - 1), max_size=30))
def test_a_session_is_named_alike_alone_and_in_a_column(numbers: list[int]) -> None:
    expected = [None if number < 0 else name_session(number) for number in numbers]
    assert name_sessions(np.array(numbers, np.int64)) == expected


@given(st.lists(st.integers(0, 2**63 - 1), max_size=30, unique=True))
def test_equal_contents_have_equal_hashes_and_others_have_others(contents: list[int]) -> None:
    names = name_contents("hmac1:0011aabb:", np.array(contents, np.uint64))
    assert names == [name_content("hmac1:0011aabb:", content) for content in contents]
    assert len(set(names)) == len(contents)


def test_joining_keeps_every_row() -> None:
    rng = np.random.default_rng(1)
    parts = [new_calls(count, rng, float(count)) for count in (2, 0, 3)]
    assert join_calls(parts)["start_s"].tolist() == [2.0, 2.0, 3.0, 3.0, 3.0]
    assert (join_calls(parts)["call_id"][2:] == parts[2]["call_id"]).all()


def test_a_surge_rises_and_falls_over_its_ramp() -> None:
    surge = Surge(sources=[0], start_s=0, end_s=1000, factor=3.0, ramp_s=100)
    assert [surge.height(at) for at in (0, 50, 100, 500, 950, 1000)] == [0, 1, 2, 2, 1, 0]
