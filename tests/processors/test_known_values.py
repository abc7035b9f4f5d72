"""Known values: what is new is counted once, and what was seen is not taken for new."""

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.distinct import hash_of, merge_hashes
from tokentrail.processors.known_values import CAPACITY, FORGOTTEN_AFTER_DAYS, KnownValues

DAY_S = 86_400


@given(st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=60), max_size=20).filter(bool))
def test_while_they_are_few_each_value_is_new_once(seconds: list[list[int]]) -> None:
    known = KnownValues()
    seen: set[int] = set()
    for second, numbers in enumerate(seconds):
        fresh = {number % CAPACITY for number in numbers} - seen
        seen |= fresh
        hashes = merge_hashes([hash_of(str(number % CAPACITY)) for number in numbers])
        assert known.apply(second, hashes, learning=False) == len(fresh)


def test_what_comes_while_learning_is_known_afterwards() -> None:
    known = KnownValues()
    assert known.apply(0, [1, 2], learning=True) == 0
    assert known.apply(1, [1, 2, 3], learning=False) == 1


def test_a_value_is_forgotten_after_thirty_days_without_it() -> None:
    known = KnownValues()
    known.apply(0, [1, 2], learning=False)
    assert known.apply(FORGOTTEN_AFTER_DAYS * DAY_S, 2, learning=False) == 0
    assert known.apply((FORGOTTEN_AFTER_DAYS + 1) * DAY_S, [1, 2], learning=False) == 1


def test_of_many_values_none_that_was_seen_is_taken_for_new() -> None:
    known = KnownValues()
    everybody = [hash_of(f"user-{number}") for number in range(5000)]
    for second, value in enumerate(everybody):
        known.apply(second, value, learning=False)
    assert sum(known.apply(6000, value, learning=False) for value in everybody) == 0


def test_of_many_values_the_new_ones_are_counted_without_bias() -> None:
    random = Random(1)
    counted = 0
    for _ in range(20):
        known = KnownValues()
        for value in random.sample(range(2**32), 1000):
            counted += known.apply(0, value, learning=False)
    assert counted / 20_000 == pytest.approx(1, abs=0.06)  # four standard errors


def test_however_many_values_there_are_they_take_two_kilobytes() -> None:
    known = KnownValues()
    for number in range(20_000):
        known.apply(20_000 * DAY_S, hash_of(str(number)), learning=False)
    assert len(known.last_seen) <= CAPACITY
    packed = msgspec.msgpack.encode(known)
    assert len(packed) < 2_400
    assert msgspec.msgpack.decode(packed, type=KnownValues) == known
