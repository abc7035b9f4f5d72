"""What a model costs over some days, cut into stretches within which one set of rates holds. Pure."""

from collections.abc import Callable
from datetime import date, timedelta

import msgspec

from tokentrail.processors.pricing import DayTariffs, Rates

ANY_INPUT = 2**63 - 1
_DAY_SECONDS = 86_400


class PriceStretch(msgspec.Struct, frozen=True, kw_only=True):
    """Rates of calls on `first_day` <= UTC day < `until_day`, at such a time of it, with such an input.

    `from_second` <= second of the day < `until_second`; `above_input_tokens` < tokens of input <= `to_input_tokens`.
    A call without a known input has 0.
    """

    first_day: date
    until_day: date
    from_second: int
    until_second: int
    above_input_tokens: int
    to_input_tokens: int
    rates: Rates


def price_stretches(
    tariffs_on: Callable[[date], DayTariffs | None], first_day: date, until_day: date
) -> list[PriceStretch]:
    """Return stretches that do not overlap; days without a known price are in none."""
    stretches: list[PriceStretch] = []
    day = first_day
    while day < until_day:
        tariffs, began = tariffs_on(day), day
        day += timedelta(days=1)
        while day < until_day and tariffs_on(day) == tariffs:
            day += timedelta(days=1)
        if tariffs:
            stretches += _stretches(tariffs, began, day)
    return stretches


def _stretches(tariffs: DayTariffs, first_day: date, until_day: date) -> list[PriceStretch]:
    found = []
    ends = [tariff.from_second_of_day for tariff in tariffs[1:]] + [_DAY_SECONDS]
    for tariff, until_second in zip(tariffs, ends, strict=True):
        steps = [(-1, tariff.rates), *tariff.long_context]
        tops = [above for above, _ in steps[1:]] + [ANY_INPUT]
        found += [
            PriceStretch(
                first_day=first_day,
                until_day=until_day,
                from_second=tariff.from_second_of_day,
                until_second=until_second,
                above_input_tokens=above,
                to_input_tokens=top,
                rates=rates,
            )
            for (above, rates), top in zip(steps, tops, strict=True)
        ]
    return found
