"""Series backtest: a rule's baseline and condition over any series of numbers, with the code of live detection. Pure.

At each point the rule's window is what the points of its last `window_s` add up to, or come to on average. As in live
detection, the baseline learns from tumbling windows, cut at multiples of `window_s`, once they are over. `min_calls`
does not count here: a point is no call. Time passes from point to point only: an alert fires and is resolved at one.
"""

import math
from collections import deque
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from tokentrail.errors import RuleError
from tokentrail.processors.baselines import Baseline
from tokentrail.processors.detection import Verdict, follows_week, judge, needs_baseline
from tokentrail.processors.lifecycle import AlertTrack, identify_alert
from tokentrail.processors.metrics import is_amount
from tokentrail.processors.rules import version_rule
from tokentrail.processors.series import Point
from tokentrail.schemas.alerts import Alert, AlertState, Severity
from tokentrail.schemas.rules import Absence, Budget, BurnRate, NewEntity, Rule, ZScore

_ACTION: Final = frozenset((Severity.HIGH, Severity.CRITICAL))
DIMENSION: Final = "series"
"""`dimension` of the alerts; the series' name is their `entity`."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What the rule says at one point."""

    time: datetime
    observed: float
    """The point's own value."""
    value: float
    """The window's."""
    baseline: float | None
    threshold: float | None
    """None while learning."""
    score: float | None
    """Beyond 1 the value is beyond its threshold: value / threshold, or the other way round for `z_score` below."""
    anomalous: bool
    state: AlertState | Literal[""]
    """Of the alert, if it changed here."""


class SeriesBacktest:
    """Runs one rule over one series, point by point in order of time."""

    def __init__(self, rule: Rule, name: str, *, adds_up: bool | None = None, metric: str = "") -> None:
        """Get ready.

        Args:
            rule: what to run.
            name: of the series; `entity` of the alerts.
            adds_up: whether points of one window are added up, or averaged; None: as the rule's metric does, of which
                amounts add up and ratios and levels do not.
            metric: what to call it in alerts, in place of the rule's.

        Raises:
            RuleError: the rule's condition is about calls, and not about a number.
        """
        condition = rule.condition
        if isinstance(condition, Absence | NewEntity | Budget):
            raise RuleError(
                f"The rule {rule.name!r} has a condition of type {condition.__struct_config__.tag!r}, which looks at "
                "calls and not at a value; backtest one of threshold, ratio_to_baseline, z_score, seasonal, burn_rate."
            )
        self._rule = msgspec.structs.replace(rule, min_calls=0)
        self._version = version_rule(rule)
        self._name = name
        self._metric = metric or rule.metric
        adds_up = is_amount(rule.metric) if adds_up is None else adds_up
        self._window = SlidingWindow(rule.window_s, adds_up=adds_up)
        self._long = (
            SlidingWindow(condition.long_window_s, adds_up=adds_up) if isinstance(condition, BurnRate) else None
        )
        self._tumbling = SlidingWindow(rule.window_s, adds_up=adds_up)
        self._tumbling_index: int | None = None
        self._baseline = Baseline() if needs_baseline(rule) else None
        self._track = AlertTrack(rule_version=self._version)
        self._known_since: int | None = None
        self._is_below = isinstance(condition, ZScore) and condition.direction == "below"
        self.alerts: list[Alert] = []
        """State changes so far, in order."""

    def observe(self, point: Point) -> Score:
        """Take in the next point; O(1) amortised."""
        second = point.second
        self._known_since = second if self._known_since is None else self._known_since
        self._learn(second)
        self._tumbling.add(second, point.value)
        value = self._window.add(second, point.value)
        long_value = self._long.add(second, point.value) if self._long else None
        verdict = judge(self._rule, value, 1, second, self._baseline, self._known_since, long_value)
        change = self._track.step(self._rule, second, verdict)
        if change is not None:
            self._tell(second, verdict, change)
        return Score(
            time=datetime.fromtimestamp(second, UTC),
            observed=point.value,
            value=value,
            baseline=verdict.baseline,
            threshold=None if verdict.learning else verdict.threshold,
            score=None if verdict.learning else _divide(value, verdict.threshold, is_below=self._is_below),
            anomalous=verdict.anomalous,
            state=change or "",
        )

    def _learn(self, second: int) -> None:
        """Close the tumbling window that `second` is beyond."""
        width_s = self._rule.window_s
        index = second // width_s
        if index == self._tumbling_index:
            return
        if self._tumbling_index is not None and self._baseline is not None:
            self._baseline.observe(
                (self._tumbling_index + 1) * width_s - 1,
                self._tumbling.value,
                width_s,
                firing=self._track.active,
                seasonal=follows_week(self._rule),
            )
        self._tumbling.clear()
        self._tumbling_index = index

    def _tell(self, second: int, verdict: Verdict, change: AlertState) -> None:
        rule, track = self._rule, self._track
        alert = Alert(
            alert_id=identify_alert(rule.name, self._version, DIMENSION, self._name, track.firing_since),
            revision=track.revision + 1,
            state=change,
            rule=rule.name,
            rule_version=self._version,
            severity=rule.severity,
            dimension=DIMENSION,
            entity=self._name,
            metric=self._metric,
            value=verdict.value,
            baseline=verdict.baseline,
            threshold=verdict.threshold,
            window_s=rule.window_s,
            started_at=datetime.fromtimestamp(track.firing_since, UTC),
            occurred_at=datetime.fromtimestamp(second, UTC),
            evidence=[],
            summary=f"{self._name} is {verdict.value:.6g} over {rule.window_s} s, the threshold is "
            f"{verdict.threshold:.6g}",
            recommendation=rule.recommendation,
            action_required=rule.severity in _ACTION and change is not AlertState.RESOLVED,
            condition=str(rule.condition.__struct_config__.tag),
            group=rule.group,
            runbook_url=rule.runbook_url,
        )
        self.alerts.append(alert)
        track.told = alert
        if change is AlertState.RESOLVED:
            track.reset()


class SlidingWindow:
    """The sum, or the mean, of what came in the last `width_s` seconds."""

    def __init__(self, width_s: int, *, adds_up: bool) -> None:
        self._width_s = width_s
        self._adds_up = adds_up
        self._points: deque[tuple[int, float]] = deque()
        self._total = 0.0
        self._stale = 0

    @property
    def value(self) -> float:
        """What it holds now; 0 if it is empty."""
        if not self._points:
            return 0.0
        return self._total if self._adds_up else self._total / len(self._points)

    def add(self, second: int, value: float) -> float:
        """Add a point and forget what is older than the window that ends with it; returns the value. O(1) amortised."""
        points = self._points
        points.append((second, value))
        self._total += value
        while points[0][0] <= second - self._width_s:
            self._total -= points.popleft()[1]
            self._stale += 1
        if self._stale >= len(points):
            # Adding and subtracting floats drifts: a window that is all new is added up afresh.
            self._total = math.fsum(each for _, each in points)
            self._stale = 0
        return self.value

    def clear(self) -> None:
        """Forget everything."""
        self._points.clear()
        self._total, self._stale = 0.0, 0


def _divide(value: float, threshold: float, *, is_below: bool) -> float | None:
    upper, lower = (threshold, value) if is_below else (value, threshold)
    return upper / lower if lower else None
