"""When people and machines call: weights of the 168 local hours of a week, from Monday 00:00 on."""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

HOURS: Final = 168
_WEEKDAYS: Final = 5
_PERSON_DAY: Final = (
    0.01, 0.005, 0.005, 0.005, 0.01, 0.02, 0.06, 0.2, 0.6, 1.0, 1.1, 1.05,
    0.65, 0.9, 1.05, 1.0, 0.85, 0.5, 0.25, 0.15, 0.12, 0.1, 0.06, 0.03,
)  # fmt: skip
_PERSON_WEEKEND: Final = 0.12
_MONDAY_MORNING: Final = 1.3
"""What has waited since Friday is asked between nine and eleven."""
_MACHINE_WEEKEND: Final = 0.75


class Habit(IntEnum):
    """How a source calls."""

    CHAT = 0
    """A person in conversations: each call brings the whole history along."""
    CODE = 1
    """A person at an editor: long inputs, short answers, in quick succession."""
    MACHINE = 2
    """A service account: single calls, day and night."""


def _week(habit: Habit) -> NDArray[np.float64]:
    day = np.array(_PERSON_DAY)
    if habit is Habit.MACHINE:
        day = 0.7 + 0.5 * day
    weekend = _MACHINE_WEEKEND if habit is Habit.MACHINE else _PERSON_WEEKEND
    week = np.concatenate([day] * _WEEKDAYS + [day * weekend] * 2)
    if habit is not Habit.MACHINE:
        week[9:11] *= _MONDAY_MORNING
    normal: NDArray[np.float64] = week / week.mean()
    return normal


WEEKS: Final = np.stack([_week(habit) for habit in Habit])
"""By habit: shape (3, 168), mean 1."""
WORK_HOURS: Final = range(9, 17)
"""Local hours of a weekday in which an office is at work."""
