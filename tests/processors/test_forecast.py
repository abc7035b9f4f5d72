"""What a month will have cost, from the days so far."""

import random
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.forecast import Forecast, forecast_month

TODAY = date(2026, 11, 16)
MIDNIGHT = datetime(2026, 11, 16, tzinfo=UTC)
"""A Monday; 15 days of November are over, 15 are left."""


def days(usd_by_weekday: list[int], since: date, until: date = TODAY) -> dict[date, Decimal]:
    return {
        since + timedelta(days=n): Decimal(usd_by_weekday[(since + timedelta(days=n)).weekday()])
        for n in range((until - since).days)
    }


def test_weekends_that_are_cheap_are_expected_to_stay_cheap() -> None:
    daily = days([10, 10, 10, 10, 10, 0, 0], date(2026, 10, 1))
    told = forecast_month(daily, MIDNIGHT)
    assert (told.spent_usd, told.expected_usd) == (Decimal(100), Decimal(100 + 11 * 10))
    assert told.low_usd == told.high_usd == told.expected_usd


def test_a_last_week_twice_as_dear_doubles_what_is_left() -> None:
    daily = days([10] * 7, date(2026, 9, 21))
    for n in range(1, 8):
        daily[MIDNIGHT.date() - timedelta(days=n)] = Decimal(20)
    told = forecast_month(daily, MIDNIGHT)
    level = (10 * 49 + 20 * 7) / 56
    assert told.expected_usd is not None
    assert float(told.expected_usd) == float(8 * 10 + 7 * 20) + 15 * 20
    assert told.low_usd is not None
    assert told.high_usd is not None
    assert told.low_usd < told.expected_usd < told.high_usd
    assert level > 10


def test_of_today_only_what_is_left_of_it_is_expected() -> None:
    daily = {**days([24] * 7, date(2026, 11, 1)), MIDNIGHT.date(): Decimal(5)}
    noon = MIDNIGHT + timedelta(hours=12)
    assert forecast_month(daily, noon).expected_usd == 15 * 24 + 5 + 12 + 14 * 24


def test_with_little_history_no_range_is_claimed_and_with_none_no_forecast() -> None:
    assert forecast_month({}, MIDNIGHT) == Forecast(Decimal(0))
    assert forecast_month({MIDNIGHT.date(): Decimal(7)}, MIDNIGHT) == Forecast(Decimal(7))
    two = forecast_month(days([1] * 7, date(2026, 11, 14)), MIDNIGHT)
    assert (two.expected_usd, two.low_usd, two.high_usd, two.history_days) == (Decimal(17), None, None, 2)


def test_days_before_the_first_spend_do_not_count_as_days_without_any() -> None:
    assert forecast_month(days([10] * 7, date(2026, 11, 9)), MIDNIGHT).expected_usd == 7 * 10 + 15 * 10


def test_what_is_older_than_eight_weeks_is_forgotten() -> None:
    old = days([1000] * 7, date(2026, 1, 1), date(2026, 9, 1))
    assert forecast_month({**old, **days([1] * 7, date(2026, 9, 1))}, MIDNIGHT).expected_usd == 30


def test_on_the_last_day_little_is_left_to_guess() -> None:
    daily = days([10] * 7, date(2026, 11, 1), date(2026, 11, 30))
    told = forecast_month(daily, datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))
    assert told.expected_usd is not None
    assert 290 <= told.expected_usd < Decimal("290.001")


@given(
    st.dictionaries(st.dates(date(2026, 9, 1), date(2026, 11, 30)), st.decimals(0, 10**6, places=9), max_size=90),
    st.datetimes(datetime(2026, 11, 1), datetime(2026, 11, 30, 23, 59, 59)),  # noqa: DTZ001 - made aware below
)
def test_any_days_give_an_ordered_range_that_is_never_below_what_is_spent(
    daily: dict[date, Decimal], naive: datetime
) -> None:
    told = forecast_month(daily, naive.replace(tzinfo=UTC))
    assert told.spent_usd == sum(
        (usd for day, usd in daily.items() if day.month == 11 and day <= naive.date()), Decimal(0)
    )
    if told.low_usd is not None:
        assert told.expected_usd is not None
        assert told.high_usd is not None
        assert told.spent_usd - Decimal("1E-9") <= told.low_usd <= told.expected_usd <= told.high_usd


def test_four_of_five_months_end_within_the_range_when_days_scatter_as_they_did() -> None:
    drawn = random.Random(20261121)
    inside = 0
    for _ in range(200):
        level = [drawn.uniform(50, 150) for _ in range(5)] + [drawn.uniform(5, 20) for _ in range(2)]
        daily = {
            (day := date(2026, 9, 1) + timedelta(days=n)): Decimal(
                f"{max(drawn.gauss(level[day.weekday()], level[day.weekday()] / 4), 0):.9f}"
            )
            for n in range(91)
        }
        end = sum((daily[date(2026, 11, n)] for n in range(1, monthrange(2026, 11)[1] + 1)), Decimal(0))
        told = forecast_month({day: usd for day, usd in daily.items() if day < MIDNIGHT.date()}, MIDNIGHT)
        assert told.low_usd is not None
        assert told.high_usd is not None
        inside += told.low_usd <= end <= told.high_usd
    assert 0.70 * 200 <= inside <= 0.95 * 200
