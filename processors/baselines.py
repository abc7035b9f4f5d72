"""Baselines: what is usual for an entity, learnt from its own earlier windows; medians, so no burst poisons it."""

from typing import Final, NamedTuple

import msgspec

from tokentrail.processors.number_codes import decode_numbers, encode_number
from tokentrail.processors.seasons import WEEK_S, Season

MAX_SAMPLES: Final = 48
"""Four hours of 5-minute windows: long enough to be steady, short enough to follow the day."""
MIN_SAMPLES: Final = 3
MAX_FROZEN: Final = 12
LASTING_S: Final = 6 * 3600
"""An alert that fires for so long, over `MAX_FROZEN` windows or more, is a new level, and learnt."""
SEASONAL_AFTER_S: Final = 2 * WEEK_S
SHARE_OF_CENTRE: Final = 0.05
"""Nobody is steadier than this: a spread below it says that there are few samples, not that there is no noise."""
SEASONAL_SPREAD: Final = 0.4
"""Around a level of the week, more than this of it is not noise: the last windows were of other hours."""
_MAD_TO_SIGMA: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
_Q75_SIGMAS: Final = 0.6745
_Q90_SIGMAS: Final = 1.2816
"""How many standard deviations a quantile of a normal distribution lies above its median."""


class Usual(NamedTuple):
    """What is usual for an entity's window: a robust level, and a robust standard deviation, in the metric's unit."""

    centre: float
    spread: float


class Baseline(msgspec.Struct, array_like=True, kw_only=True):
    """The level and spread of an entity's last windows that had calls, and how they follow the week.

    Quiet windows are no samples: nights are not the norm. Samples are kept with 11 significant bits.
    """

    since: int = -1
    """Begin of the first window seen; -1 before."""
    window_s: int = 0
    samples: bytes = b""
    """Codes of the last windows, oldest first: `tokentrail.processors.number_codes`."""
    centre: float = 0.0
    """0 until somebody asks for what is usual; nobody does as long as an entity is quiet."""
    spread: float = 0.0
    is_summed_up: bool = False
    """Whether centre and spread are those of the samples."""
    frozen: int = 0
    """How many windows in a row were kept out because the alert was firing."""
    frozen_since: int = -1
    season: Season | None = None

    def observe(self, second: int, sample: float, window_s: int, *, firing: bool, seasonal: bool = True) -> None:
        """Take in a window that had calls and ended with `second`.

        With `firing` it is kept out; once that has lasted for `LASTING_S`, the old level is forgotten for the new one.
        Without `seasonal` nothing is learnt of the week.
        """
        if self.since < 0 or self.window_s != window_s:
            self._begin(second + 1 - window_s, window_s)
        if seasonal:
            self._follow_week(second, sample, firing=firing)
        if firing and not self._is_lasting(second):
            self.frozen += 1
            return
        if not firing:
            self.frozen = 0
            self.frozen_since = -1
        self.samples = (self.samples + encode_number(sample))[-2 * MAX_SAMPLES :]
        self.centre, self.is_summed_up = 0.0, False

    def usual(self, second: int, learning_s: int, *, seasonal: bool) -> Usual | None:
        """Return what is usual now, or None while too little is known. O(1) but for the first time after a window.

        With `seasonal` it is the higher of the recent level and that of this hour of the week, or while the hour has
        not come round yet, of this hour on the days before.
        """
        if not self._is_known(second, learning_s):
            return None
        season = self.season
        if seasonal and season is not None and season.levels:
            level = season.highest_level(second, self.window_s)
            if level is not None and level > self.centre:
                level = round_number(level)
                return Usual(level, self._spread_around(level))
        return Usual(self.centre, self.spread)

    def usual_of_hour(self, second: int, learning_s: int) -> Usual | None:
        """Return what is usual at this hour of the week; None before two weeks are known.

        An hour at which there never was a call has the recent level.
        """
        if second - self.since < SEASONAL_AFTER_S or not self._is_known(second, learning_s) or self.season is None:
            return None
        level = self.season.highest_level(second, self.window_s)
        if level is None:
            return Usual(self.centre, self.spread)
        level = round_number(level)
        return Usual(level, self._spread_around(level))

    def expected(self, second: int, learning_s: int) -> float | None:
        """Return what may be counted on now: the lower of the recent level and that of the hour; for `absence`.

        None while learning. An hour of the week at which there never was a call is 0 once a week is known, and before
        that an hour of the day at which there never was one.
        """
        if not self._is_known(second, learning_s):
            return None
        if self.season is None:
            return self.centre
        return min(self.centre, self.season.lowest_level(second, self.window_s, whole=second - self.since >= WEEK_S))

    def _is_known(self, second: int, learning_s: int) -> bool:
        """Whether enough is known to judge by; centre and spread are then up to date."""
        if len(self.samples) < 2 * MIN_SAMPLES or second - self.since < learning_s:
            return False
        if not self.is_summed_up:
            self.centre, self.spread = summarize_samples(self.samples)
            self.is_summed_up = True
        return True

    def _spread_around(self, level: float) -> float:
        """Return the spread at a level of the week: what of the recent one is noise, and not the rhythm itself."""
        scaled = self.spread * level / self.centre if self.centre else 0.0
        return min(max(scaled, SHARE_OF_CENTRE * level), SEASONAL_SPREAD * level)

    def _begin(self, since: int, window_s: int) -> None:
        """A window of another width adds up to other numbers: start afresh."""
        self.since, self.window_s, self.samples, self.season = since, window_s, b"", None
        self.frozen, self.frozen_since = 0, -1

    def _is_lasting(self, second: int) -> bool:
        if self.frozen == 0:
            self.frozen_since = second
        if self.frozen < 0:
            return True
        if self.frozen < MAX_FROZEN or second - self.frozen_since < LASTING_S:
            return False
        self.frozen = -1
        self.samples = b""
        return True

    def _follow_week(self, second: int, sample: float, *, firing: bool) -> None:
        if self.season is None:
            self.season = Season()
        self.season.observe(second, sample, self.window_s, firing=firing and self.frozen >= 0)


def summarize_samples(samples: bytes) -> Usual:
    """Return median and robust standard deviation of encoded samples.

    The spread is the larger of the scaled median absolute deviation and what the upper quartile says, since usage has a
    long upper tail that the former is blind to; at least a small share of the median. The 90th percentile may double
    it and no more: it knows the tail better, and a burst in one window of ten moves it.
    """
    numbers = sorted(decode_numbers(samples))
    centre = _middle(numbers)
    deviations = sorted([abs(number - centre) for number in numbers])
    quartile = (numbers[int(0.75 * (len(numbers) - 1))] - centre) / _Q75_SIGMAS
    steady = max(_MAD_TO_SIGMA * _middle(deviations), quartile, SHARE_OF_CENTRE * centre)
    tail = (numbers[int(0.9 * (len(numbers) - 1))] - centre) / _Q90_SIGMAS
    return Usual(round_number(centre), round_number(max(steady, min(tail, 2 * steady))))


def _middle(ordered: list[float]) -> float:
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def round_number(number: float) -> float:
    """Return a number with the five digits that two bytes are good for, and that people like to read."""
    return float(f"{number:.5g}")
