"""Shared cost is handed on, and nothing is lost or made: to the last digit."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.cost_split import NANO_USD, SpendRow, allocate, split_costs
from tokentrail.schemas.budgets import CostSplit

names = st.text("abcde", min_size=1, max_size=2)
money = st.integers(-(10**29), 10**29).map(lambda nano: Decimal(nano).scaleb(-9))
amounts = st.one_of(money, st.decimals(-1000, 1000, places=12), st.decimals(-1000, 1000, places=2))
weights = st.dictionaries(
    names, st.decimals(0, 10**6, places=4), min_size=1, max_size=9
).filter(lambda found: any(found.values()))  # fmt: skip
costs = st.one_of(st.none(), st.integers(0, 10**15).map(lambda nano: Decimal(nano).scaleb(-9)))


def total(values: list[Decimal | None]) -> int:
    # In whole 1e-12 USD: decimals round sums to 28 digits.
    return sum(_units(value) for value in values if value)


def _units(value: Decimal) -> int:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    return (-1 if sign else 1) * int("".join(map(str, digits))) * int(10 ** (12 + exponent))


@given(amounts, weights)
def test_parts_add_up_to_the_whole_and_each_is_within_a_digit_of_its_share(
    amount: Decimal, shares: dict[str, Decimal]
) -> None:
    parts = allocate(amount, shares)
    assert total(list(parts.values())) == total([amount])
    assert parts.keys() == shares.keys()
    everything = sum(shares.values())
    for name, part in parts.items():
        if abs(amount) < 10**6:
            assert abs(part - amount * shares[name] / everything) <= NANO_USD * 2


def test_the_largest_remainder_has_what_is_left_over() -> None:
    thirds = allocate(Decimal("0.00000001"), {"c": Decimal(1), "b": Decimal(1), "a": Decimal(1)})
    assert thirds == {"a": Decimal("4E-9"), "b": Decimal("3E-9"), "c": Decimal("3E-9")}
    uneven = allocate(Decimal("1E-8"), {"a": Decimal("0.33"), "b": Decimal("0.38"), "c": Decimal("0.29")})
    assert uneven == {"a": Decimal("3E-9"), "b": Decimal("4E-9"), "c": Decimal("3E-9")}
    assert allocate(Decimal("-1E-9"), {"a": Decimal(1), "b": Decimal(2)}) == {"a": 0, "b": Decimal("-1E-9")}


@pytest.mark.parametrize("shares", [{}, {"a": Decimal(0)}, {"a": Decimal(2), "b": Decimal(-1)}])
def test_weights_that_divide_nothing_are_refused(shares: dict[str, Decimal]) -> None:
    with pytest.raises(ValueError, match="weights"):
        allocate(Decimal(1), shares)


def row(department: str, cost: str | None, calls: int = 1, **group: str) -> SpendRow:
    usd = None if cost is None else Decimal(cost)
    return SpendRow(group={"department": department, **group}, calls=calls, direct_usd=usd, cost_usd=usd)


def split(**fields: object) -> CostSplit:
    return CostSplit(**{"name": "s", "of": {"department": "platform"}, **fields})  # type: ignore[arg-type]  # made up


def borne(rows: list[SpendRow]) -> dict[str, Decimal | None]:
    return {str(each.group["department"]): each.cost_usd for each in rows}


def test_shared_cost_is_split_by_fixed_shares() -> None:
    shares = {"sales": Decimal(50), "research": Decimal(30), "care": Decimal(20)}
    found = split_costs([row("platform", "10"), row("sales", "1"), row("research", None)], [split(shares=shares)])
    assert borne(found) == {"platform": 0, "sales": 6, "research": 3, "care": 2}
    assert [(each.direct_usd, each.calls) for each in found] == [(10, 1), (1, 1), (None, 1), (0, 0)]


def test_shared_cost_is_split_in_proportion_to_direct_cost_or_calls() -> None:
    rows = [row("platform", "10", 99), row("sales", "1", 3), row("research", "4", 1), row("care", None, 1)]
    assert borne(split_costs(rows, [split(in_proportion_to="cost")])) == {
        "platform": 0, "sales": 3, "research": 12, "care": None,
    }  # fmt: skip
    assert borne(split_costs(rows, [split(in_proportion_to="calls", among=["sales", "care"])])) == {
        "platform": 0, "sales": Decimal("8.5"), "research": 4, "care": Decimal("2.5"),
    }  # fmt: skip


def test_splits_follow_one_another_and_each_day_keeps_its_sum() -> None:
    rows = [row("platform", "10", day="1"), row("platform", "2", day="2"), row("it", "4", day="2")]
    splits = [
        split(shares={"it": Decimal(1)}),
        split(name="t", of={"department": "it"}, shares={"sales": Decimal(1), "care": Decimal(1)}),
    ]
    found = {(each.group["day"], each.group["department"]): each.cost_usd for each in split_costs(rows, splits)}
    assert found == {
        ("1", "platform"): 0, ("1", "it"): 0, ("1", "sales"): 5, ("1", "care"): 5,
        ("2", "platform"): 0, ("2", "it"): 0, ("2", "sales"): 3, ("2", "care"): 3,
    }  # fmt: skip


def test_a_split_of_what_the_rows_do_not_tell_changes_nothing() -> None:
    rows = [SpendRow(group={"model": "m"}, calls=1, direct_usd=Decimal(1), cost_usd=Decimal(1))]
    assert split_costs(rows, [split(shares={"sales": Decimal(1)})]) == rows
    lonely = [row("platform", "1")]
    assert split_costs(lonely, [split(in_proportion_to="cost")]) == lonely


@given(
    st.lists(
        st.tuples(names, st.sampled_from("xyz"), st.integers(0, 99), costs), max_size=12, unique_by=lambda c: c[:2]
    ),
    st.lists(st.tuples(names, weights, st.sampled_from(["shares", "cost", "calls"])), max_size=4),
)
def test_any_splits_of_any_rows_keep_the_sum_of_the_whole_and_of_each_model(
    cells: list[tuple[str, str, int, Decimal | None]], wanted: list[tuple[str, dict[str, Decimal], str]]
) -> None:
    rows = [
        SpendRow(group={"department": name, "model": model}, calls=calls, direct_usd=usd, cost_usd=usd)
        for name, model, calls, usd in cells
    ]
    splits = [
        CostSplit(name=str(number), of={"department": of}, shares={n: w for n, w in shares.items() if n != of})
        if kind == "shares"
        else CostSplit(name=str(number), of={"department": of}, in_proportion_to=kind)  # type: ignore[arg-type]  # one of two
        for number, (of, shares, kind) in enumerate(wanted)
        if kind != "shares" or any(weight for name, weight in shares.items() if name != of)
    ]
    found = split_costs(rows, splits)
    for model in "xyz":
        before = total([each.cost_usd for each in rows if each.group["model"] == model])
        assert total([each.cost_usd for each in found if each.group["model"] == model]) == before
    assert sum(each.calls for each in found) == sum(each.calls for each in rows)
