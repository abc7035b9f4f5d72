"""Made-up alerts and controls, and how they get to their topics."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaProducer

from tokentrail.schemas.alert_controls import AlertControl, Silence, encode_control
from tokentrail.schemas.alerts import Alert, AlertState, Severity, encode_alert
from tokentrail.schemas.topics import ALERT_CONTROLS, ALERTS
from tokentrail.settings import Settings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday."""


def make_alert(alert_id: str = "a1", revision: int = 1, **fields: Any) -> Alert:
    values: dict[str, Any] = {
        "alert_id": alert_id,
        "revision": revision,
        "state": AlertState.FIRING if revision == 1 else AlertState.UPDATED,
        "rule": "high_request_volume",
        "rule_version": "0123456789ab",
        "severity": Severity.HIGH,
        "dimension": "user_id",
        "entity": "nora.dahl",
        "metric": "calls",
        "value": 229.0,
        "baseline": 56.0,
        "threshold": 168.0,
        "window_s": 300,
        "started_at": NOON,
        "occurred_at": NOON + timedelta(seconds=revision - 1),
        "evidence": [],
        "summary": "user_id nora.dahl made 229 calls in 300 s, usual are 56",
        "recommendation": "Check who uses it and from where.",
        "action_required": True,
    }
    return Alert(**{**values, **fields})


def resolved(alert: Alert, after_s: int = 60) -> Alert:
    return make_alert(
        **{
            **{field: getattr(alert, field) for field in alert.__struct_fields__},
            "revision": alert.revision + 1,
            "state": AlertState.RESOLVED,
            "occurred_at": alert.occurred_at + timedelta(seconds=after_s),
        }
    )


def make_silence(control_id: str = "s1", **fields: Any) -> Silence:
    values: dict[str, Any] = {
        "control_id": control_id,
        "starts_at": datetime.now(UTC) - timedelta(hours=1),
        "ends_at": datetime.now(UTC) + timedelta(hours=1),
        "created_by": "tester",
    }
    return Silence(**{**values, **fields})


async def tell(settings: Settings, *told: Alert | AlertControl) -> None:
    """Write alerts and controls one after the other, each once the broker has the one before."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all") as producer:
        for one in told:
            if isinstance(one, Alert):
                await producer.send_and_wait(settings.topic(ALERTS.name), encode_alert(one), one.alert_id.encode())
            else:
                topic = settings.topic(ALERT_CONTROLS.name)
                await producer.send_and_wait(topic, encode_control(one), one.control_id.encode())


async def take(feed: Any, count: int, timeout_s: float = 30) -> list[Any]:
    """The next of a feed; each is done by then but for the last."""
    async with asyncio.timeout(timeout_s):
        return [await anext(feed) for _ in range(count)]


def ids(delivered: Iterable[Any]) -> list[tuple[str, int]]:
    return [(one.alert.alert_id, one.alert.revision) for one in delivered]
