"""Context growth: how far the input of a session's calls has grown since it was last cut back. Pure."""

from typing import Final, cast

import msgspec

MIN_RUN: Final = 5
"""So many calls without a cut say that the session grows; fewer say nothing."""
CUT: Final = 0.9
"""An input below this share of the one before it was cut back: summarised, truncated, or begun anew."""

Growth = int | list[int]
"""`[calls, fewest input tokens, most input tokens]` of some calls; the input tokens of one call stand for that call."""


def merge_growth(several: list[Growth]) -> Growth:
    """Return the growth of all calls in `several` (at least one): the same for any order and any grouping."""
    if len(several) == 1:
        return several[0]
    parts = [_calls_and_bounds(growth) for growth in several]
    return [sum(part[0] for part in parts), min(part[1] for part in parts), max(part[2] for part in parts)]


def grown_tokens(growth: Growth) -> int:
    """Return how far apart the smallest and the largest input of these calls are."""
    _, fewest, most = _calls_and_bounds(growth)
    return most - fewest


class GrowthState(msgspec.Struct, array_like=True):
    """What a session's input did so far; a second of calls counts as one step, from its smallest to its largest."""

    calls: int = 0
    """Since the input was last cut back."""
    base_tokens: int = 0
    """The input then."""
    last_tokens: int = 0

    def apply(self, growth: list[Growth]) -> int:
        """Take in a second's calls; return the tokens grown since the last cut, 0 in a run shorter than `MIN_RUN`."""
        if not growth:
            return self._grown()
        calls, fewest, most = _calls_and_bounds(merge_growth(growth))
        if not self.calls or fewest < CUT * self.last_tokens:
            self.calls, self.base_tokens = 0, fewest
        self.calls += calls
        self.last_tokens = most
        return self._grown()

    def _grown(self) -> int:
        return max(0, self.last_tokens - self.base_tokens) if self.calls >= MIN_RUN else 0


def _calls_and_bounds(growth: Growth) -> tuple[int, int, int]:
    if isinstance(growth, int):
        return 1, growth, growth
    return cast("tuple[int, int, int]", tuple(growth))
