from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from tokentrail.processors.baselines import MAX_FROZEN, MAX_SAMPLES, MIN_SAMPLES, WARM_UP_S, Baseline


def _learnt(samples: list[float]) -> Baseline:
    baseline = Baseline(learning_since=0)
    for number, sample in enumerate(samples):
        baseline.observe(WARM_UP_S + number * 300, sample, firing=False)
    return baseline


@given(st.lists(st.floats(0, 1e9), min_size=MIN_SAMPLES, max_size=60))
def test_the_baseline_is_the_median_of_the_last_windows(samples: list[float]) -> None:
    assert _learnt(samples).value == median(samples[-MAX_SAMPLES:])


def test_an_entity_that_is_young_has_no_baseline() -> None:
    baseline = Baseline(learning_since=0)
    for number in range(10):
        baseline.observe(number * 60, 100.0, firing=False)
    assert baseline.value is None


def test_a_burst_does_not_move_the_baseline() -> None:
    assert _learnt([100.0] * 10 + [9000.0] * 3).value == 100.0


def test_windows_of_an_open_alert_are_not_learnt() -> None:
    baseline = _learnt([100.0] * 5)
    for number in range(MAX_FROZEN):
        baseline.observe(10_000 + number * 300, 900.0, firing=True)
    assert baseline.value == 100.0


def test_a_lasting_new_level_is_learnt_in_the_end() -> None:
    baseline = _learnt([100.0] * 5)
    for number in range(MAX_FROZEN + 6):
        baseline.observe(10_000 + number * 300, 900.0, firing=True)
    assert baseline.value == 900.0
