"""The records of `llm.alert-controls` (JSON): what people did about alerts. Keyed by `control_id`, newest record wins.

The topic is compacted: it holds the last state of each control for ever. Nothing here changes what is detected.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

Glob = Annotated[str, Meta(min_length=1, max_length=500)]
"""`*`, `?` and `[…]` are wildcards; case matters."""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="acknowledgement"):
    """Somebody has taken an alert on. Its `control_id` is `ack:` and the alert's id: a second one takes its place."""

    schema_version: str = "1.0"
    control_id: str
    alert_id: str
    acknowledged_by: str
    acknowledged_at: datetime
    note: str = ""


class Silence(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="silence"):
    """Alerts that fit every list and are told within the time are not delivered. An empty list fits every alert.

    To end one before its time is to write it again with an earlier `ends_at`.
    """

    schema_version: str = "1.0"
    control_id: str
    rules: list[Glob] = []
    severities: list[Glob] = []
    dimensions: list[Glob] = []
    entities: list[Glob] = []
    starts_at: datetime
    ends_at: datetime
    """By the clock of detection: when Kafka got the alert, not when its calls were made."""
    created_by: str
    reason: str = ""
    ended_by: str = ""
    """Who ended it before its time."""


AlertControl = Acknowledgement | Silence

encode_control = msgspec.json.Encoder().encode
decode_control: Final[Callable[[bytes], AlertControl]] = msgspec.json.Decoder(AlertControl).decode


def acknowledgement_id(alert_id: str) -> str:
    """Return the `control_id` of an alert's acknowledgement."""
    return f"ack:{alert_id}"
