"""Cost splits: shared cost is handed on to those who cause it; not a nano-dollar is lost or made. No I/O."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import msgspec

from tokentrail.schemas.budgets import CostSplit

NANO_USD: Final = Decimal("1E-9")


class SpendRow(msgspec.Struct, frozen=True, kw_only=True):
    """One group. `cost_usd` is what it bears: `direct_usd`, plus what was handed to it, less what it handed on."""

    group: dict[str, Any]
    calls: int
    direct_usd: Decimal | None
    cost_usd: Decimal | None


def allocate(amount: Decimal, weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return the parts of an amount, which add up to it exactly.

    Each part is rounded to 1e-9 (or to the amount's own last digit, if that is finer) by the method of the largest
    remainder (Hamilton's); of equal remainders the first name in order gets more.

    Raises:
        ValueError: no weight is above 0, or one is below.
    """
    if any(weight < 0 for weight in weights.values()) or not sum(weights.values()):
        raise ValueError("weights must not be below 0, and one must be above")
    exponent = amount.as_tuple().exponent
    digit = Decimal(1).scaleb(min(-9, exponent if isinstance(exponent, int) else -9))
    # In whole units of the last digit: Python's integers and fractions round nothing.
    units = int(Fraction(amount) / Fraction(digit))
    total = sum((Fraction(weight) for weight in weights.values()), Fraction())
    exact = {name: abs(units) * Fraction(weight) / total for name, weight in weights.items()}
    whole = {name: int(part) for name, part in exact.items()}
    by_remainder = sorted(weights, key=lambda name: (whole[name] - exact[name], name))
    for name in by_remainder[: abs(units) - sum(whole.values())]:
        whole[name] += 1
    sign = -1 if units < 0 else 1
    return {name: _scaled(sign * count, digit) for name, count in whole.items()}


def split_costs(rows: Iterable[SpendRow], splits: Iterable[CostSplit]) -> list[SpendRow]:
    """Hand shared cost on, split by split, in order; the sum of `cost_usd` stays the same to the last digit.

    Each row of the shared value is split on its own, so each day or model keeps its sum. Proportions are those of the
    direct figures of all rows. A split of a dimension that the rows are not grouped by changes nothing, nor does one
    whose others have nothing of their own.
    """
    found = list(rows)
    for split in splits:
        ((dimension, value),) = split.of.items()
        if any(dimension not in row.group for row in found):
            continue
        weights = _weights(found, split, dimension, value)
        if weights:
            found = _hand_on(found, dimension, value, weights)
    return found


def _weights(rows: Sequence[SpendRow], split: CostSplit, dimension: str, value: str) -> dict[str, Decimal]:
    if split.shares:
        return {name: share for name, share in split.shares.items() if share > 0}
    weights: dict[str, Decimal] = {}
    for row in rows:
        name = str(row.group[dimension])
        if name == value or (split.among and name not in split.among):
            continue
        own = (row.direct_usd or Decimal(0)) if split.in_proportion_to == "cost" else Decimal(row.calls)
        weights[name] = weights.get(name, Decimal(0)) + own
    return {name: weight for name, weight in weights.items() if weight > 0}


def _hand_on(rows: Sequence[SpendRow], dimension: str, value: str, weights: Mapping[str, Decimal]) -> list[SpendRow]:
    borne = {_key(row.group): row for row in rows}
    for row in rows:
        if row.group[dimension] != value or not row.cost_usd:
            continue
        for name, part in allocate(row.cost_usd, weights).items():
            _add(borne, {**row.group, dimension: name}, part)
        _add(borne, row.group, -row.cost_usd)
    return list(borne.values())


def _add(borne: dict[tuple[tuple[str, Any], ...], SpendRow], group: dict[str, Any], part: Decimal) -> None:
    row = borne.get(_key(group), SpendRow(group=group, calls=0, direct_usd=Decimal(0), cost_usd=None))
    cost_usd = part if row.cost_usd is None else _sum(row.cost_usd, part)
    borne[_key(group)] = msgspec.structs.replace(row, cost_usd=cost_usd)


def _sum(one: Decimal, other: Decimal) -> Decimal:
    digit = Decimal(1).scaleb(min(-9, int(one.as_tuple().exponent), int(other.as_tuple().exponent)))
    return _scaled(int(Fraction(one) / Fraction(digit)) + int(Fraction(other) / Fraction(digit)), digit)


def _scaled(units: int, digit: Decimal) -> Decimal:
    # Not through arithmetic: that would round to the context's 28 digits.
    return Decimal((int(units < 0), tuple(map(int, str(abs(units)))), int(digit.as_tuple().exponent)))


def _key(group: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(group.items()))
