from itertools import pairwise

from tokentrail.processors.simulation.trace import read_trace


def test_the_shipped_hour_holds_every_call_of_both_workloads() -> None:
    calls = read_trace()
    assert len(calls) == 28_185
    assert sum(call.workload == "code" for call in calls) == 8_819


def test_calls_come_in_order_from_zero_and_span_less_than_an_hour() -> None:
    offsets = [call.offset_s for call in read_trace()]
    assert offsets[0] == 0
    assert all(earlier <= later for earlier, later in pairwise(offsets))
    assert 3_400 < offsets[-1] < 3_600


def test_a_limit_keeps_the_beginning() -> None:
    assert read_trace(limit=100) == read_trace()[:100]
