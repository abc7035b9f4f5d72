"""The records of `llm.alerts` (JSON): a state change of one alert. Keyed by `alert_id`.

The content is a function of the event log alone: the same log gives the same bytes. When it was detected is the Kafka
record's own timestamp.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta


class Severity(StrEnum):
    """How urgent; HIGH and CRITICAL ask for action."""

    INFO = "INFO"
    WARNING = "WARNING"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class AlertState(StrEnum):
    """firing → updated (zero or more) → resolved."""

    FIRING = "firing"
    UPDATED = "updated"
    RESOLVED = "resolved"


_MAX_COUNT = 2**32 - 1
"""What the ledger's column holds; a record with more is none of ours."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One state change. `alert_id` + `revision` identify it; a repeated record is byte-identical."""

    schema_version: str = "1.1"
    alert_id: str
    revision: Annotated[int, Meta(ge=0, le=_MAX_COUNT)]
    state: AlertState
    rule: str
    rule_version: str
    severity: Severity
    dimension: str
    entity: str
    metric: str
    value: float
    baseline: float | None
    threshold: float
    window_s: Annotated[int, Meta(ge=0, le=_MAX_COUNT)]
    started_at: datetime
    occurred_at: datetime
    """Event time of this change: the end of the second that caused it."""
    evidence: list[str]
    """Ids of calls that show the anomaly, newest first; at most 5."""
    summary: str
    recommendation: str
    action_required: bool
    condition: str = ""
    """Type of the rule's condition, e.g. `ratio_to_baseline`."""
    where: str = ""
    """Which calls were looked at, if not all: the rule's filters, e.g. `service=checkout&status!=SUCCESS`."""
    group: str = ""
    """Alerts of one group on the same thing belong to one incident."""
    runbook_url: str = ""


encode_alert = msgspec.json.Encoder().encode
decode_alert = msgspec.json.Decoder(Alert).decode
