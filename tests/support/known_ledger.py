"""A ledger of a dozen calls whose every figure can be worked out by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ledger_log import block_of, completed, started

from tokentrail.processors.mappings import MappingEntry
from tokentrail.schemas.events import Usage
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.connection import connect
from tokentrail.sinks.clickhouse.ledger_tables import LedgerTables
from tokentrail.sinks.clickhouse.mapping_table import record_mappings
from tokentrail.sinks.clickhouse.migrations import migrate


def _half_past(now: datetime) -> datetime:
    # In the first hour of a day it is that of the day before: what is asked of a day or a month is asked of one.
    return (now - timedelta(hours=now.hour == 0)).replace(minute=30, second=0, microsecond=0)


NOW = _half_past(datetime.now(UTC))
"""Half past an hour; the calls are of the hour before the one that it lies in, and of the same day."""
AT = NOW - timedelta(minutes=50)
MILLION = Usage(input_tokens=1_000_000, output_tokens=100_000)
"""3.50 USD at gpt-4o's price."""

MAPPINGS = [
    MappingEntry(dimension="api_key_id", value="k1", target="department", target_value="platform"),
    MappingEntry(dimension="user_id", value="bob", target="department", target_value="marketing"),
    MappingEntry(dimension="user_id", value="cat", target="team", target_value="red", valid_from=AT.date()),
    MappingEntry(dimension="user_id", value="ann", target="team", target_value="x", valid_until=AT.date()),
    MappingEntry(dimension="department", value="research", target="cost_centre", target_value="4711"),
]


def known_calls() -> list[bytes | None]:
    """Return the calls, in the order of the log."""
    calls: list[dict[str, Any]] = [
        {"user_id": "ann", "feature": "search", "service": "web", "latency_ms": 100.0, "attributes": {"team": "blue"}},
        {"user_id": "ann", "feature": "search", "service": "web", "latency_ms": 300.0, "session_id": "s1"},
        {"user_id": "bob", "department": "sales", "service": "crm", "latency_ms": 200.0, "session_id": "s1",
         "api_key_id": "k1", "environment": "test"},
        {"user_id": "bob", "department": "sales", "request_model": "unheard-of", "service": "crm"},
        {"user_id": "bob", "department": "sales", "status": "RATE_LIMITED", "usage": None, "service": "crm",
         "error_type": "rate_limit", "error_code": "429", "http_status_code": 429, "logical_call_id": "l1"},
        {"user_id": "bob", "department": "sales", "service": "crm", "logical_call_id": "l1", "request_hash": "h1"},
        {"user_id": "eve", "status": "AUTH_FAILED", "usage": None, "api_key_id": "k2", "ip_address": "10.0.0.9",
         "api_key_hint": "sk-…beef", "http_status_code": 401, "error_type": "auth", "service": "web"},
        *({"user_id": "cat", "request_hash": "h2", "feature": "faq", "provider": "anthropic",
           "request_model": "claude-sonnet-4-5", "server_address": "api.anthropic.com", "endpoint": "/v1/messages",
           "latency_ms": 1000.0, "usage": Usage(input_tokens=1_000_000, output_tokens=0, cache_read_tokens=500_000)}
          for _ in range(4)),
    ]  # fmt: skip
    return [
        completed(number, **{"occurred_at": AT + timedelta(seconds=number), "usage": MILLION, **fields})
        for number, fields in enumerate(calls)
    ]


def fill_known_ledger(settings: Settings) -> None:
    """Make the database and write the calls, one that never ended, two alerts, and what belongs to what."""
    migrate(settings)
    LedgerTables(settings, "test").insert(block_of(0, [*known_calls(), started(99)]))
    _tell_alerts(settings)
    record_mappings(settings, MAPPINGS, "tester")


def _tell_alerts(settings: Settings) -> None:
    columns = (
        "kafka_offset", "detected_at", "occurred_at", "alert_id", "revision", "state", "rule", "severity", "dimension",
        "entity", "started_at", "summary", "recommendation", "action_required",
    )  # fmt: skip
    spike = ("token_spike", "HIGH", "user_id+service", "ann\x1fweb", AT, "ann: many tokens", "Look.", True)
    storm = ("retry_storm", "INFO", "service", "crm", AT, "crm: many retries", "Wait.", False)
    client = connect(settings)
    try:
        client.insert(
            "alerts",
            [
                (0, AT, AT, "a1", 1, "firing", *spike),
                (1, AT, AT, "a2", 1, "firing", *storm),
                (2, NOW, NOW, "a2", 2, "resolved", *storm),
            ],
            columns,
            database=settings.clickhouse_database,
        )
    finally:
        client.close()
