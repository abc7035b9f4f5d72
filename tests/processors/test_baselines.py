from random import Random
from statistics import median

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokentrail.processors.baselines import LASTING_S, MAX_SAMPLES, MIN_SAMPLES, Baseline
from tokentrail.processors.seasons import DAY_S, WEEK_S

WINDOW_S = 300
MONDAY = 1_767_571_200  # 2026-01-05 00:00 UTC


def _feed(baseline: Baseline, samples: list[float], second: int = MONDAY, *, firing: bool = False) -> int:
    """Feed neighbouring windows from `second` on; returns the second after them."""
    for sample in samples:
        second += WINDOW_S
        baseline.observe(second - 1, sample, WINDOW_S, firing=firing)
    return second


def _centre(baseline: Baseline, second: int) -> float:
    usual = baseline.usual(second, 0, seasonal=False)
    assert usual is not None
    return usual.centre


@given(st.lists(st.floats(1e-3, 1e9), min_size=MIN_SAMPLES, max_size=80))
def test_the_centre_is_the_median_of_the_last_windows(samples: list[float]) -> None:
    baseline = Baseline()
    end = _feed(baseline, samples)
    assert _centre(baseline, end) == pytest.approx(median(samples[-MAX_SAMPLES:]), rel=0.001)


@given(
    st.lists(st.floats(10, 1e6), min_size=25, max_size=48),
    st.lists(st.floats(1e7, 1e11), max_size=12),
    st.randoms(use_true_random=False),
)
def test_bursts_in_fewer_than_half_of_the_windows_leave_the_centre_among_the_others(
    calm: list[float], bursts: list[float], random: Random
) -> None:
    samples = [*calm, *bursts][-MAX_SAMPLES:]
    kept = [sample for sample in samples if sample < 1e7]
    random.shuffle(samples)
    baseline = Baseline()
    end = _feed(baseline, samples)
    ordered = sorted(kept)
    furthest = ordered[min((len(samples) - len(kept)) // 2 + len(kept) // 2 + 1, len(kept) - 1)]
    assert ordered[0] * 0.999 <= _centre(baseline, end) <= furthest * 1.001


@given(
    st.lists(st.floats(10, 1e6), min_size=36, max_size=40),
    st.lists(st.floats(1e7, 1e11), max_size=8),
    st.randoms(use_true_random=False),
)
def test_bursts_in_fewer_than_a_quarter_of_the_windows_leave_the_spread_within_that_of_the_others(
    calm: list[float], bursts: list[float], random: Random
) -> None:
    samples = [*calm, *bursts]
    random.shuffle(samples)
    baseline = Baseline()
    usual = baseline.usual(_feed(baseline, samples), 0, seasonal=False)
    assert usual is not None
    assert usual.spread <= 2 * 1.4826 * (max(calm) - min(calm)) + 0.1 * max(calm)


@given(st.integers(0, 2**32))
def test_the_spread_of_normal_noise_is_its_standard_deviation_or_up_to_twice_that(seed: int) -> None:
    random = Random(seed)
    baseline = Baseline()
    usual = baseline.usual(_feed(baseline, [random.normalvariate(1000, 200) for _ in range(48)]), 0, seasonal=False)
    assert usual is not None
    assert 90 < usual.spread < 420


def test_an_entity_that_is_young_is_learning() -> None:
    baseline = Baseline()
    end = _feed(baseline, [100.0] * 10)
    assert baseline.usual(end, 10 * WINDOW_S + 1, seasonal=True) is None
    assert baseline.usual(end, 10 * WINDOW_S, seasonal=True) is not None


def test_two_windows_are_too_few_however_old() -> None:
    baseline = Baseline()
    _feed(baseline, [100.0] * (MIN_SAMPLES - 1))
    assert baseline.usual(MONDAY + WEEK_S, 0, seasonal=True) is None


@given(st.lists(st.floats(0, 1e9), max_size=70))
def test_windows_of_an_open_alert_are_not_learnt(samples: list[float]) -> None:
    baseline = Baseline()
    end = _feed(baseline, [100.0] * 20)
    before = baseline.usual(end, 0, seasonal=True)
    end = _feed(baseline, samples, end, firing=True)
    assert baseline.usual(end, 0, seasonal=True) == before


def test_a_level_that_lasts_is_learnt_and_the_old_one_forgotten() -> None:
    baseline = Baseline()
    end = _feed(baseline, [100.0] * MAX_SAMPLES)
    end = _feed(baseline, [900.0] * (LASTING_S // WINDOW_S + 1), end, firing=True)
    assert baseline.usual(end, 0, seasonal=False) is None  # learning anew
    end = _feed(baseline, [900.0] * (MIN_SAMPLES - 1), end, firing=True)
    assert _centre(baseline, end) == 900.0


def test_an_interrupted_alert_does_not_add_up_to_a_lasting_one() -> None:
    baseline = Baseline()
    end = _feed(baseline, [100.0] * MAX_SAMPLES)
    for _ in range(4):
        end = _feed(baseline, [900.0] * (LASTING_S // WINDOW_S - 10), end, firing=True)
        end = _feed(baseline, [100.0], end)
    assert _centre(baseline, end) == 100.0


def test_a_window_of_another_width_starts_afresh() -> None:
    baseline = Baseline()
    end = _feed(baseline, [100.0] * 20)
    baseline.observe(end + 59, 20.0, 60, firing=False)
    assert baseline.usual(end + 59, 0, seasonal=True) is None


def _work_a_week(baseline: Baseline, monday: int, *, peak: float = 1000.0) -> None:
    """Every hour 50 calls a window, in working hours 100, on Mondays from 9:00 to 10:00 the peak."""
    for second in range(monday, monday + WEEK_S, WINDOW_S):
        hour = (second - monday) // 3600
        sample = 100.0 if hour < 5 * 24 and 8 <= hour % 24 < 18 else 50.0
        if hour == 9:
            sample = peak
        usual = baseline.usual(second, 900, seasonal=True)
        firing = usual is not None and sample > 3 * usual.centre
        baseline.observe(second + WINDOW_S - 1, sample, WINDOW_S, firing=firing)


def _usual_at(baseline: Baseline, second: int) -> float:
    usual = baseline.usual(second, 900, seasonal=True)
    assert usual is not None
    return usual.centre


def test_after_two_weeks_the_peak_of_monday_morning_is_usual_and_three_times_as_much_is_not() -> None:
    baseline = Baseline()
    for week in range(2):
        _work_a_week(baseline, MONDAY + week * WEEK_S)
    third = MONDAY + 2 * WEEK_S
    at_nine = _usual_at(baseline, third + 9 * 3600 + 1800)
    assert 1000 < 3 * at_nine < 3 * 1100  # the peak itself does not fire, three times as much does
    assert _usual_at(baseline, third + DAY_S + 9 * 3600 + 1800) < 150  # Tuesday at nine is no Monday


def test_a_peak_that_comes_every_day_is_usual_on_the_third() -> None:
    baseline = Baseline()
    usual_at_two = []
    for second in range(MONDAY + 12 * 3600, MONDAY + 5 * DAY_S, WINDOW_S):
        batch = second % DAY_S // 3600 == 2
        usual = baseline.usual(second, 900, seasonal=True)
        sample = 800.0 if batch else 50.0
        baseline.observe(second + WINDOW_S - 1, sample, WINDOW_S, firing=bool(usual and sample > 3 * usual.centre))
        if second % DAY_S == 2 * 3600 + 1800:
            usual_at_two.append(_usual_at(baseline, second))
    first, second_, third, *_ = usual_at_two
    assert (first, second_) == (50.0, 50.0)
    assert third == pytest.approx(800.0, rel=0.05)


def test_the_way_up_to_a_usual_peak_is_no_noise() -> None:
    baseline = Baseline()
    ramp = [float(hour) ** 2 for hour in range(24) for _ in range(12)]
    end = _feed(baseline, [*ramp, *ramp[: 23 * 12]])
    usual = baseline.usual(end + 1800, 900, seasonal=True)
    assert usual is not None
    assert usual.centre == pytest.approx(23**2, rel=0.05)
    assert usual.spread <= 0.41 * usual.centre


def test_the_very_first_hours_are_remembered() -> None:
    baseline = Baseline()
    end = _feed(baseline, [800.0] * 12 + [50.0] * 23 * 12)
    assert _usual_at(baseline, end + 1800) == pytest.approx(800.0, rel=0.05)


def test_an_incident_that_does_not_come_again_leaves_no_trace_in_the_week() -> None:
    baseline = Baseline()
    for week in range(3):
        _work_a_week(baseline, MONDAY + week * WEEK_S, peak=9000.0 if week == 1 else 100.0)
    assert _usual_at(baseline, MONDAY + 3 * WEEK_S + 9 * 3600 + 1800) < 150


def test_the_hour_before_counts_while_the_window_reaches_into_it() -> None:
    baseline = Baseline()
    for week in range(2):
        _work_a_week(baseline, MONDAY + week * WEEK_S)
    ten = MONDAY + 2 * WEEK_S + 10 * 3600
    assert _usual_at(baseline, ten + WINDOW_S - 10) > 900
    assert _usual_at(baseline, ten + WINDOW_S) < 150


def test_what_is_usual_at_an_hour_is_said_after_two_weeks_only() -> None:
    baseline = Baseline()
    _work_a_week(baseline, MONDAY)
    _work_a_week(baseline, MONDAY + WEEK_S)
    end = MONDAY + 2 * WEEK_S
    assert baseline.usual_of_hour(end - 1, 900) is None
    usual = baseline.usual_of_hour(end + 3 * 3600, 900)
    assert usual is not None
    assert usual.centre == pytest.approx(50, rel=0.05)


def test_nothing_is_expected_at_an_hour_at_which_there_never_is_a_call() -> None:
    baseline = Baseline()
    for second in range(MONDAY, MONDAY + 10 * DAY_S, WINDOW_S):
        if 8 <= second % DAY_S // 3600 < 18:
            baseline.observe(second + WINDOW_S - 1, 40.0, WINDOW_S, firing=False)
    day_11 = MONDAY + 10 * DAY_S
    assert baseline.expected(day_11 + 3 * 3600, 900) == 0
    assert baseline.expected(day_11 + 12 * 3600, 900) == pytest.approx(40, rel=0.05)
    assert baseline.expected(day_11 + 12 * 3600, 30 * DAY_S) is None


@settings(max_examples=5, deadline=None)
@given(st.floats(0.2, 1.5), st.integers(0, 2**32))
def test_a_busy_entity_of_months_is_at_most_600_bytes(sigma: float, seed: int) -> None:
    random = Random(seed)
    baseline = Baseline()
    for hour in range(400):
        _feed(
            baseline,
            [random.lognormvariate(8, sigma) for _ in range(4)],
            MONDAY + hour * 3600,
            firing=hour % 10 == 9,
        )
    encoded = msgspec.msgpack.encode(baseline)
    assert len(encoded) <= 600
    assert msgspec.msgpack.decode(encoded, type=Baseline) == baseline


def test_an_entity_that_was_here_for_an_hour_takes_little_room() -> None:
    baseline = Baseline()
    _feed(baseline, [12.0] * 12)
    assert len(msgspec.msgpack.encode(baseline)) <= 120
