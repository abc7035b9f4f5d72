"""Latency sketches: right within 2 %, and the same bytes whatever was merged with what first."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.latency_sketch import RELATIVE_ERROR, Sketch, bucket_of, merge_sketches, quantile

durations = st.floats(0, 1e9)
sketches = st.lists(durations, min_size=1, max_size=20).map(lambda ms: merge_sketches([bucket_of(d) for d in ms]))


@given(st.lists(durations, min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_right_within_its_relative_error(durations_ms: list[float], share: float) -> None:
    exact = sorted(durations_ms)[int(share * (len(durations_ms) - 1))]
    found = quantile(merge_sketches([bucket_of(duration) for duration in durations_ms]), share)
    assert abs(found - exact) <= RELATIVE_ERROR * exact * (1 + 1e-9) + 0.001


@given(st.lists(sketches, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_order_of_merging_gives_the_same_bytes(parts: list[Sketch], random: "object") -> None:
    whole = merge_sketches(parts)
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis gives a Random of its own
    cut = random.randrange(len(parts))  # type: ignore[attr-defined] # as above
    grouped = [merge_sketches(group) for group in (shuffled[:cut], shuffled[cut:]) if group]
    assert msgspec.msgpack.encode(merge_sketches(grouped)) == msgspec.msgpack.encode(whole)


@given(sketches)
def test_a_sketch_comes_back_from_msgpack_as_it_was(sketch: Sketch) -> None:
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(sketch))
    assert back == sketch
    assert quantile(back, 0.5) == quantile(sketch, 0.5)


def test_a_usual_latency_takes_one_byte_alone() -> None:
    assert [len(msgspec.msgpack.encode(bucket_of(ms))) for ms in (30, 100, 1000, 15_000)] == [1, 1, 1, 1]


def test_nothing_is_longer_than_the_last_bucket_and_nothing_shorter_than_zero() -> None:
    assert quantile(bucket_of(0), 0.5) == 0
    assert quantile(bucket_of(1e9), 0.5) > 0.98e9
    assert quantile(bucket_of(1e12), 0.5) >= quantile(bucket_of(1e9), 0.5)
