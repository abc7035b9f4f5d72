"""The life of an alert: (pending →) firing → updated … → resolved. Pure; event time only."""

import hashlib
from typing import Final

import msgspec

from tokentrail.processors.detection import Verdict
from tokentrail.schemas.alerts import Alert, AlertState
from tokentrail.schemas.rules import Rule

WORSE_BY: Final = 1.5
"""An open alert is told of again when its value has grown by this factor since it was last told of.

Where it fires below its threshold, when the value has shrunk by it."""


class AlertTrack(msgspec.Struct, array_like=True, kw_only=True):
    """Where one (entity, rule) stands. -1 means: not so."""

    pending_since: int = -1
    firing_since: int = -1
    clear_since: int = -1
    told: Alert | None = None
    """What was last told of an alert that is open."""
    rule_version: str = ""
    """Version of the rule that it is judged under; an open alert ends where the rule changes."""

    @property
    def firing(self) -> bool:
        """Whether the alert is open."""
        return self.firing_since >= 0

    @property
    def active(self) -> bool:
        """Whether time alone may change it: it then wants every tick."""
        return self.firing_since >= 0 or self.pending_since >= 0

    @property
    def revision(self) -> int:
        """The revision last told; 0 before the first."""
        return self.told.revision if self.told else 0

    def step(self, rule: Rule, second: int, verdict: Verdict) -> AlertState | None:
        """Move on by one tick; returns the state change to be told, if there is one."""
        if self.firing:
            return self._step_firing(rule, second, verdict)
        if not verdict.anomalous:
            self.pending_since = -1
            return None
        if self.pending_since < 0:
            self.pending_since = second
        if second - self.pending_since < rule.for_s:
            return None
        self.pending_since = -1
        self.firing_since = second
        self.clear_since = -1
        return AlertState.FIRING

    def _step_firing(self, rule: Rule, second: int, verdict: Verdict) -> AlertState | None:
        if verdict.anomalous:
            self.clear_since = -1
            return AlertState.UPDATED if self._is_worse(verdict) else None
        if self.clear_since < 0:
            self.clear_since = second
        return AlertState.RESOLVED if second - self.clear_since >= rule.keep_firing_for_s else None

    def _is_worse(self, verdict: Verdict) -> bool:
        value, told = verdict.value, self.told.value if self.told else 0.0
        if value < verdict.threshold:
            return value < told and value * WORSE_BY <= told
        return value > told and value >= told * WORSE_BY

    def reset(self) -> None:
        """Back to quiet, after a resolved alert has been told."""
        self.pending_since = self.firing_since = self.clear_since = -1
        self.told = None


def identify_alert(rule: str, rule_version: str, dimension: str, entity: str, started: int) -> str:
    """Return the alert's id: 32 hex digits of SHA-256 over what makes it that alert; the same log gives the same id."""
    text = "\x1f".join((rule, rule_version, dimension, entity, str(started)))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
