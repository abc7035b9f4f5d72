"""Rows and rules in a few words, for tests of detection."""

from typing import Any

from tokentrail.schemas.alerts import Severity
from tokentrail.schemas.rules import Rule, Threshold
from tokentrail.schemas.slices import SUMS, FrameView, Row

USERS = (FrameView("user_id", ()),)


def row(call_id: str = "call", tokens: int = 0, failed: str = "", **sums: int) -> Row:
    """A row whose other sums are 0."""
    return Row(tuple(sums.get(name, 0) for name in SUMS), tokens, call_id, failed)


def many_calls(**fields: Any) -> Rule:
    values: dict[str, Any] = {
        "name": "many_calls",
        "metric": "calls",
        "by": ["user_id"],
        "window_s": 60,
        "condition": Threshold(above=10),
        "severity": Severity.HIGH,
        "keep_firing_for_s": 5,
    }
    return Rule(**{**values, **fields})
