"""Context growth: how far a session's input has grown since it was last cut back."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.context_growth import MIN_RUN, Growth, GrowthState, grown_tokens, merge_growth


def follow(inputs: list[int]) -> list[int]:
    state = GrowthState()
    return [state.apply([tokens]) for tokens in inputs]


def test_growth_is_told_once_the_run_is_long_enough() -> None:
    assert follow([100, 200, 300, 400, 500, 600]) == [0, 0, 0, 0, 400, 500]
    assert MIN_RUN == 5


def test_an_input_that_is_cut_back_begins_a_new_run() -> None:
    assert follow([1000] * 4 + [9000, 800] + [900] * 4) == [0, 0, 0, 0, 8000, 0, 0, 0, 0, 100]


def test_a_small_fall_is_no_cut() -> None:
    assert follow([1000, 2000, 3000, 4000, 5000, 4600])[-1] == 3600


def test_a_second_in_which_nothing_was_called_changes_nothing() -> None:
    state = GrowthState()
    grown = [state.apply([tokens]) for tokens in (1, 2, 3, 4, 5)][-1]
    assert state.apply([]) == grown == 4


def test_calls_of_one_second_and_several_partitions_count_as_one_step() -> None:
    state = GrowthState()
    assert state.apply([[3, 100, 300], 500, [2, 50, 90]]) == 450


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=30), st.data())
def test_any_order_of_merging_gives_the_same(inputs: list[int], data: st.DataObject) -> None:
    shuffled: list[Growth] = list(data.draw(st.permutations(inputs)))
    cut = data.draw(st.integers(1, len(inputs)))
    grouped = [merge_growth(group) for group in (shuffled[:cut], shuffled[cut:]) if group]
    assert merge_growth(grouped) == merge_growth(list(inputs))
    assert grown_tokens(merge_growth(grouped)) == max(inputs) - min(inputs)


def test_a_session_takes_a_few_bytes() -> None:
    state = GrowthState()
    state.apply([[40, 1000, 100_000]])
    packed = msgspec.msgpack.encode(state)
    assert len(packed) <= 12
    assert msgspec.msgpack.decode(packed, type=GrowthState) == state
