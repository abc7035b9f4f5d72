"""The tally plan: which views are tallied, and what their slices carry, so that every rule finds what it needs."""

from collections.abc import Sequence

import msgspec

from tokentrail.processors.metrics import extras_of
from tokentrail.processors.views import View, views_of
from tokentrail.schemas.rules import Rule
from tokentrail.schemas.slices import FrameView


class TallyPlan(msgspec.Struct, frozen=True):
    """What slicing needs to know of the rules; two plans are equal if slicing does the same."""

    views: tuple[View, ...]
    extras: tuple[tuple[str, ...], ...]
    """For each view, the extras of its slices."""
    skewed: tuple[bool, ...]
    """For each view, whether calls with a suspect time are counted in it."""
    priced: bool
    """Whether any rule looks at cost."""

    @property
    def frame_views(self) -> tuple[FrameView, ...]:
        """The views as frames name them."""
        return tuple(FrameView(view.name, extras) for view, extras in zip(self.views, self.extras, strict=True))


def plan_tallies(rules: Sequence[Rule]) -> TallyPlan:
    """Return what enabled rules need; nothing else is tallied."""
    extras: dict[View, set[str]] = {}
    skewed: set[View] = set()
    for rule in rules:
        if not rule.enabled:
            continue
        for view in views_of(rule):
            extras.setdefault(view, set()).update(extras_of(rule.metric))
            if rule.metric == "clock_skewed":
                skewed.add(view)
    views = tuple(sorted(extras))
    return TallyPlan(
        views,
        tuple(tuple(sorted(extras[view])) for view in views),
        tuple(view in skewed for view in views),
        any(rule.metric == "cost_usd" for rule in rules if rule.enabled),
    )
