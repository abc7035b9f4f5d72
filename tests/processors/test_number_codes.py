import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.number_codes import decode_numbers, encode_number


def _through(number: float) -> float:
    (decoded,) = decode_numbers(encode_number(number))
    return decoded


@given(st.floats(1e-7, 1e12))
def test_a_number_comes_back_within_a_twentieth_of_a_percent(number: float) -> None:
    assert _through(number) == pytest.approx(number, rel=0.0005)


@given(st.integers(0, 2048))
def test_small_whole_numbers_come_back_exactly(number: int) -> None:
    assert _through(number) == number


@given(st.floats(0, 1e13), st.floats(0, 1e13))
def test_codes_keep_the_order(one: float, other: float) -> None:
    if one <= other:
        assert _through(one) <= _through(other)


@pytest.mark.parametrize(("number", "nearest"), [(0.0, 0.0), (-1.0, 0.0), (1e-9, 0.0), (1e300, 1.0989e12)])
def test_what_is_out_of_reach_is_the_nearest_that_is_not(number: float, nearest: float) -> None:
    assert _through(number) == pytest.approx(nearest, rel=0.001)


@given(st.lists(st.floats(1e-6, 1e11), max_size=50))
def test_many_are_decoded_in_their_order(numbers: list[float]) -> None:
    codes = b"".join(encode_number(number) for number in numbers)
    assert len(codes) == 2 * len(numbers)
    assert decode_numbers(codes) == pytest.approx(numbers, rel=0.0005)
