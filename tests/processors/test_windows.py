from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.extras import EXTRAS
from tokentrail.processors.latency_sketch import bucket_of
from tokentrail.processors.windows import WindowPlan, open_window

SECONDS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), min_size=1, max_size=80)


@given(SECONDS, st.sampled_from([5, 15, 60, 300, 3600]))
def test_totals_are_the_sum_of_the_seconds_inside_the_window(steps: list[tuple[int, int]], width_s: int) -> None:
    plan = WindowPlan("tokens", width_s)
    window = open_window(plan)
    seen: list[tuple[int, int]] = []
    second = 1_000_000
    for gap, calls in steps:
        second += gap
        window.add(plan, second, (calls, 1, 2 * calls), None)
        seen.append((second, calls))
        oldest = second - second % plan.bucket_s - width_s
        inside = [c for s, c in seen if s - s % plan.bucket_s >= oldest]
        assert window.totals == [sum(inside), len(inside), 2 * sum(inside)]


@given(SECONDS)
def test_each_tumbling_window_with_calls_is_handed_out_once_with_its_sum(steps: list[tuple[int, int]]) -> None:
    plan = WindowPlan("calls", 60, learned=True)
    window = open_window(plan)
    expected: dict[int, int] = {}
    handed_out = []
    second = 1_000_000
    for gap, calls in steps:
        second += gap
        expected[second // 60] = expected.get(second // 60, 0) + calls
        ended = window.add(plan, second, (calls,), None)
        if ended is not None:
            handed_out.append(ended.sums[0])
    assert handed_out == [expected[index] for index in sorted(expected)][:-1]


def test_a_window_without_new_calls_empties() -> None:
    plan = WindowPlan("calls", 60)
    window = open_window(plan)
    window.add(plan, 1000, (5,), None)
    window.slide(plan, 1000 + 59)
    assert window.totals == [5]
    window.slide(plan, 1000 + 60 + plan.bucket_s)
    assert window.totals == [0]
    assert window.buckets == []


@given(SECONDS, st.sampled_from([60, 3600]))
def test_a_quantile_is_that_of_the_calls_inside_the_window(steps: list[tuple[int, int]], width_s: int) -> None:
    plan = WindowPlan("latency_p50_ms", width_s)
    window = open_window(plan)
    seen: list[tuple[int, int]] = []
    second = 1_000_000
    for gap, latency in steps:
        second += gap
        window.add(plan, second, (1,), EXTRAS["latency_ms"].merge([bucket_of(latency)]))
        seen.append((second - second % plan.bucket_s, bucket_of(latency)))
    inside = [bucket for start, bucket in seen if start >= second - second % plan.bucket_s - width_s]
    expected = EXTRAS["latency_ms"].merge(inside)
    assert window.merged_extra(plan) == ({expected: 1} if isinstance(expected, int) else expected)


@given(st.sampled_from([5, 60, 300, 3600, 86_400, 7 * 86_400]))
def test_no_window_has_more_than_61_buckets(width_s: int) -> None:
    plan = WindowPlan("calls", width_s)
    window = open_window(plan)
    for second in range(0, 2 * width_s, max(1, width_s // 500)):
        window.add(plan, second, (1,), None)
        assert len(window.buckets) <= 61
