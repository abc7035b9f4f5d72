"""Learning ahead: what a rule would learn of an entity as long as it does not fire, and whether it then would. Pure.

Until its first anomaly a rule's baseline is a function of the entity's tumbling windows alone. So it can be worked out
window by window, and held against the most that any window ending in a slot can hold: if that is never anomalous,
nothing ever is.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from tokentrail.processors.baselines import Baseline
from tokentrail.processors.detection import judge
from tokentrail.processors.rule_plans import RulePlan
from tokentrail.processors.sieve.bounds import SLOT_S


class EntityTally(msgspec.Struct, frozen=True):
    """What an entity's calls add up to, slot by slot: the sums of a window, in its order."""

    slots: npt.NDArray[Any]
    sums: list[npt.NDArray[np.float64]]


class Candidate(msgspec.Struct, frozen=True):
    """A slot in which a rule may fire, and the most that a window ending in it can hold."""

    slot: int
    sums: list[int]


def would_fire(rule: RulePlan, tally: EntityTally, candidates: Sequence[Candidate]) -> bool:
    """Whether a rule might find one of the candidates, in order, anomalous; `can_learn` must hold for it."""
    value_of = rule.value_of
    assert value_of is not None  # noqa: S101 - of sums alone: `can_learn`
    width_slots, width_s = rule.window.width_s // SLOT_S, rule.window.width_s
    indices = tally.slots // width_slots
    starts = np.flatnonzero(np.diff(indices, prepend=-1))
    windows = np.stack([np.add.reduceat(column, starts) for column in tally.sums], axis=1).astype(np.int64).tolist()
    ended = (indices[starts].astype(np.int64) + 1).tolist()
    baseline = Baseline()
    learnt = 0
    for candidate in candidates:
        index = candidate.slot // width_slots
        while learnt < len(ended) and ended[learnt] <= index:
            baseline.observe(
                ended[learnt] * width_s - 1,
                value_of(windows[learnt]),
                width_s,
                firing=False,
                seasonal=rule.follows_week,
            )
            learnt += 1
        if _is_anomalous(rule, candidate, baseline if learnt else None):
            return True
    return False


def _is_anomalous(rule: RulePlan, candidate: Candidate, known: Baseline | None) -> bool:
    """Whether a second of a slot may be anomalous: its first and its last, between which learning may end."""
    first, calls = candidate.slot * SLOT_S, candidate.sums[rule.window.calls_at]
    value = _most(rule, candidate.sums)
    return any(judge(rule.rule, value, calls, second, known, -1).anomalous for second in (first, first + SLOT_S - 1))


def _most(rule: RulePlan, sums: Sequence[int]) -> float:
    """Return the most that a rule can measure of a window that lies within these sums."""
    assert rule.value_of is not None  # noqa: S101 - as above
    if rule.measure.per is None:
        return rule.value_of(sums)
    return float("inf")
