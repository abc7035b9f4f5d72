"""Distinct values: exact while they are few, right on average when they are many."""

from random import Random
from statistics import mean

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.distinct import KEPT, Hashes, estimate, hash_of, merge_hashes

names = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=40)


@given(names)
def test_few_values_are_counted_exactly(values: list[str]) -> None:
    assert estimate(merge_hashes([hash_of(value) for value in values])) == len(set(values))


@given(st.lists(st.lists(st.integers(0, 5000), min_size=1, max_size=100), min_size=1, max_size=5), st.data())
def test_any_order_of_merging_gives_the_same_bytes(groups: list[list[int]], data: st.DataObject) -> None:
    parts: list[Hashes] = [merge_hashes([hash_of(f"user-{number}") for number in group]) for group in groups]
    whole = merge_hashes([hash_of(f"user-{number}") for group in groups for number in group])
    shuffled = data.draw(st.permutations(parts))
    cut = data.draw(st.integers(1, len(parts)))
    grouped = [merge_hashes(group) for group in (shuffled[:cut], shuffled[cut:]) if group]
    assert msgspec.msgpack.encode(merge_hashes(grouped)) == msgspec.msgpack.encode(whole)


@pytest.mark.parametrize("spelling", ["user-{}", "{:06d}@example.com", "10.0.{}", "{:x}"])
def test_many_values_are_estimated_without_bias(spelling: str) -> None:
    random = Random(1)
    errors = []
    for _ in range(100):
        numbers = random.sample(range(10_000_000), 1000)
        errors.append(estimate(merge_hashes([hash_of(spelling.format(number)) for number in numbers])) / 1000)
    assert mean(errors) == pytest.approx(1, abs=0.05)  # four standard errors


def test_many_values_take_no_more_room_than_some() -> None:
    hashes = merge_hashes([hash_of(str(number)) for number in range(10_000)])
    assert isinstance(hashes, list)
    assert len(hashes) == KEPT
    assert hashes == sorted(hashes)


def test_broken_text_has_a_hash_too() -> None:
    assert hash_of("\ud800") != hash_of("\ud801")
