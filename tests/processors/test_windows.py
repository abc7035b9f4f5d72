from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.windows import BUCKET_S, Window

SECONDS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=80)


@given(SECONDS, st.sampled_from([5, 15, 60, 300]))
def test_totals_are_the_sum_of_the_seconds_inside_the_window(steps: list[tuple[int, int]], width_s: int) -> None:
    window = Window(width_s=width_s)
    seen: list[tuple[int, int]] = []
    second = 1_000_000
    for gap, calls in steps:
        second += gap
        window.add(second, (calls, 1, 2 * calls, 3))
        seen.append((second, calls))
        oldest = second + 1 - width_s - BUCKET_S
        inside = [c for s, c in seen if s - s % BUCKET_S > oldest]
        assert window.totals == [sum(inside), len(inside), 2 * sum(inside), 3 * len(inside)]


@given(SECONDS)
def test_each_tumbling_window_with_calls_is_handed_out_once_with_its_sum(steps: list[tuple[int, int]]) -> None:
    window = Window(width_s=60)
    expected: dict[int, int] = {}
    handed_out = []
    second = 1_000_000
    for gap, calls in steps:
        second += gap
        expected[second // 60] = expected.get(second // 60, 0) + calls
        ended = window.add(second, (calls, 0, 0, 0))
        if ended is not None:
            handed_out.append(ended[0])
    assert handed_out == [expected[index] for index in sorted(expected)][:-1]


def test_a_window_without_new_calls_empties() -> None:
    window = Window(width_s=60)
    window.add(1000, (5, 1, 10, 10))
    window.slide(1000 + 59)
    assert window.totals == [5, 1, 10, 10]
    window.slide(1000 + 60 + BUCKET_S)
    assert window.totals == [0, 0, 0, 0]
    assert window.buckets == []
