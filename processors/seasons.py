"""Seasons: how an entity's level follows the hours of the week, a byte an hour."""

import math
from typing import Final

import msgspec

HOUR_S: Final = 3600
DAY_S: Final = 86_400
WEEK_S: Final = 7 * DAY_S
HOURS_OF_WEEK: Final = 168
_MONDAY_HOUR: Final = 4 * 24
"""The epoch was a Thursday: the first Monday began so many hours after it."""
STEP: Final = 1.06
"""Two neighbouring codes: a level is known within 3 %."""
_ANCHOR_CODE: Final = 128
_LAST_CODE: Final = 255
WEIGHT: Final = 0.4
"""Of the newest week in an hour's level: after three weeks of another level four fifths of it are learnt."""
HABIT_WITHIN: Final = 2.0
"""Two surges at the same hour are one habit if their levels are so close."""
MAX_SURGES: Final = 16
SETTLED_S: Final = 3 * HOUR_S
"""An entity that lived for less has no room set aside for a week: most sessions and addresses never come back."""


class Season(msgspec.Struct, array_like=True, kw_only=True):
    """Levels of the 168 hours of the week (UTC, from Monday 0:00).

    The level of an hour is the quadratic mean of its windows that had calls, so that a short burst that comes every
    week weighs as much as it should; weeks are averaged exponentially. Hours in which the alert fired are kept out,
    unless there was such a surge at that hour of another day already: what comes again is a habit, of that day of the
    week if it was a week ago, else of every day until the days prove otherwise.
    """

    anchor: float = 0.0
    """The level whose code is 128; 0 before the first."""
    levels: bytes = b""
    """Code of each hour; 0 where nothing is known."""
    first_hour: int = -1
    """Number of the first hour seen, counted from the epoch."""
    hour: int = -1
    """Number of the hour that is being summed."""
    calm_squares: float = 0.0
    calm_windows: int = 0
    surge_squares: float = 0.0
    surge_windows: int = 0
    surges: list[tuple[int, float]] = msgspec.field(default_factory=list)
    """Hour number and level of the last hours that were kept out, oldest first."""
    early: list[tuple[int, float]] = msgspec.field(default_factory=list)
    """The same of the first hours, for as long as there is no room set aside."""

    def observe(self, second: int, sample: float, window_s: int, *, firing: bool) -> None:
        """Take in a window that had calls and ended with `second`."""
        hour = max(second + 1 - window_s, 0) // HOUR_S
        if hour != self.hour:
            if self.hour >= 0:
                self._end_hour(window_s)
            self.hour = hour
            self.first_hour = hour if self.first_hour < 0 else self.first_hour
            self.calm_squares, self.calm_windows, self.surge_squares, self.surge_windows = 0.0, 0, 0.0, 0
        if firing:
            self.surge_squares += sample * sample
            self.surge_windows += 1
        else:
            self.calm_squares += sample * sample
            self.calm_windows += 1

    def highest_level(self, second: int, window_s: int) -> float | None:
        """Return the higher level of the hours that the window ending with `second` touches; None if not known.

        An hour of the week that is not known yet has the highest level of this hour on other days.
        """
        if not self.levels:
            return None
        code = self._code_or_other_days(second)
        if second % HOUR_S < window_s:
            code = max(code, self._code_or_other_days(second - window_s))
        return self._decode(code) if code else None

    def lowest_level(self, second: int, window_s: int, *, whole: bool) -> float:
        """Return the lower level of those hours; an hour that is not known is 0.

        Without `whole`, when the week has not come round yet, that is asked of this hour on all days.
        """
        if not self.levels:
            return math.inf
        seconds = (second, second - window_s)
        codes = [
            self.levels[(at // HOUR_S - _MONDAY_HOUR) % HOURS_OF_WEEK] if whole else self._code_or_other_days(at)
            for at in seconds
        ]
        return self._decode(min(codes)) if min(codes) else 0.0

    def _code_or_other_days(self, second: int) -> int:
        slot = (second // HOUR_S - _MONDAY_HOUR) % HOURS_OF_WEEK
        return self.levels[slot] or max(self.levels[slot % 24 :: 24])

    def _end_hour(self, window_s: int) -> None:
        if self.surge_windows:
            windows = self.calm_windows + self.surge_windows
            level = float(f"{math.sqrt((self.calm_squares + self.surge_squares) / windows):.4g}")
            again_after = self._find_habit(level)
            self.surges = [*self.surges, (self.hour, level)][-MAX_SURGES:]
            if again_after is not None:
                self._learn(level, window_s, weight=1.0, every_day=again_after < HOURS_OF_WEEK - 1)
                return
        if self.calm_windows:
            self._learn(math.sqrt(self.calm_squares / self.calm_windows), window_s, weight=WEIGHT, every_day=False)

    def _find_habit(self, level: float) -> int | None:
        """Return how many hours ago there was such a surge around this hour of another day; None if there was none."""
        for hour, earlier in reversed(self.surges):
            apart = self.hour - hour
            if apart > 1 and apart % 24 in {0, 1, 23} and level <= earlier * HABIT_WITHIN:
                return apart
        return None

    def _learn(self, level: float, window_s: int, *, weight: float, every_day: bool) -> None:
        if level <= 0:
            return
        if not self.levels:
            self.early.append((self.hour, float(f"{level:.4g}")))
            if (self.hour - self.first_hour) * HOUR_S < SETTLED_S and window_s < SETTLED_S:
                return
            self.anchor = self.early[-1][1]
            self.levels = bytes(HOURS_OF_WEEK)
            for hour, known in self.early:
                self._learn_hour(hour, known, window_s, weight=1.0, every_day=False)
            self.early = []
        self._learn_hour(self.hour, level, window_s, weight=weight, every_day=every_day)

    def _learn_hour(self, first: int, level: float, window_s: int, *, weight: float, every_day: bool) -> None:
        levels = bytearray(self.levels)
        # A window longer than an hour says the same of each hour that it covers.
        for hour in range(first, first + max(1, window_s // HOUR_S)):
            slot = (hour - _MONDAY_HOUR) % HOURS_OF_WEEK
            known = self._decode(levels[slot]) if levels[slot] else level
            levels[slot] = self._encode(known + weight * (level - known))
            if every_day:
                for other in range(slot % 24, HOURS_OF_WEEK, 24):
                    levels[other] = max(levels[other], levels[slot])
        self.levels = bytes(levels)

    def _encode(self, level: float) -> int:
        code = _ANCHOR_CODE + round(math.log(level / self.anchor, STEP))
        return min(max(code, 1), _LAST_CODE)

    def _decode(self, code: int) -> float:
        return self.anchor * _FACTORS[code]


_FACTORS: Final = [STEP ** (code - _ANCHOR_CODE) for code in range(_LAST_CODE + 1)]
