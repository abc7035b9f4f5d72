"""Baselines: what is usual for an entity, learnt from its own earlier windows; a median, so no burst poisons it."""

from statistics import median
from typing import Final

import msgspec

MAX_SAMPLES: Final = 24
"""Two hours of 5-minute windows: long enough to be steady, short enough to follow the day."""
MIN_SAMPLES: Final = 3
WARM_UP_S: Final = 900
"""An entity younger than this is being learnt, not judged."""
MAX_FROZEN: Final = 12
"""After so many windows of firing the new level is taken for lasting and learnt."""


class Baseline(msgspec.Struct, array_like=True, kw_only=True):
    """The median of an entity's last windows that had calls. Quiet windows are no samples: nights are not the norm."""

    samples: list[float] = msgspec.field(default_factory=list)
    learning_since: int = -1
    """Second of the first call seen; -1 before."""
    frozen: int = 0
    """How many windows in a row were kept out because the alert was firing."""
    value: float | None = None

    def observe(self, second: int, sample: float, *, firing: bool) -> None:
        """Take in a window that has ended; kept out while the alert fires, unless it has been firing for long."""
        if firing and self.frozen < MAX_FROZEN:
            self.frozen += 1
            return
        if not firing:
            self.frozen = 0
        self.samples.append(sample)
        if len(self.samples) > MAX_SAMPLES:
            del self.samples[0]
        if len(self.samples) >= MIN_SAMPLES and second - self.learning_since >= WARM_UP_S:
            self.value = float(median(self.samples))
