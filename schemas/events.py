"""The events of `llm.calls`: one JSON document per Kafka record, told apart by `type`.

Field names follow OpenTelemetry's GenAI vocabulary where it has one. Absent is null, never 0. Times are RFC 3339 in UTC
with microseconds. Readers ignore unknown fields; `tokentrail.schemas.decoding` says what is refused.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

SCHEMA_VERSION = "1.0"
SCHEMA_MAJOR = "1."

STARTED = "llm.call.started"
COMPLETED = "llm.call.completed"
WATERMARK = "llm.watermark"
STATS = "producer.stats"

GENESIS_HASH = "0" * 64
"""`prev_hash` of a producer's first event."""

Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Label = Annotated[str, Meta(max_length=500)]
Text = Annotated[str, Meta(max_length=20_000)]
# Lengths only: a pattern costs 0.5 µs an event, and who checks the chain compares the digits anyway.
Sha256 = Annotated[str, Meta(min_length=64, max_length=64)]
UtcTime = Annotated[datetime, Meta(tz=True)]
Tokens = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Total = Annotated[int, Meta(ge=0, le=2**53)]
Milliseconds = Annotated[float, Meta(ge=0, le=1e9)]


class Status(StrEnum):
    """How a call ended. Everything but SUCCESS counts as an error; readers accept names they do not know."""

    SUCCESS = "SUCCESS"
    RATE_LIMITED = "RATE_LIMITED"
    AUTH_FAILED = "AUTH_FAILED"
    TIMEOUT = "TIMEOUT"
    CONNECTION_ERROR = "CONNECTION_ERROR"
    SERVER_ERROR = "SERVER_ERROR"
    CLIENT_ERROR = "CLIENT_ERROR"
    ABORTED = "ABORTED"


class UsageSource(StrEnum):
    """Where token counts come from."""

    PROVIDER = "provider"
    ESTIMATED = "estimated"
    MISSING = "missing"


class Usage(msgspec.Struct, omit_defaults=True, frozen=True, gc=False, kw_only=True):
    """Tokens of one call. `input_tokens` and `output_tokens` are totals; every other field is a part of one of them.

    Cache reads and writes, and input audio, are inside `input_tokens`; reasoning and output audio inside
    `output_tokens`, whichever way the provider itself counts.
    """

    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_read_tokens: Tokens | None = None
    cache_write_5m_tokens: Tokens | None = None
    cache_write_1h_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None
    input_audio_tokens: Tokens | None = None
    output_audio_tokens: Tokens | None = None


class _Envelope(msgspec.Struct, omit_defaults=True, frozen=True, gc=False, kw_only=True, tag_field="type"):
    """What every event of a producer carries; `prev_hash` is SHA-256 of the producer's previous event's bytes."""

    schema_version: Identifier
    event_id: Identifier
    producer_id: Identifier
    producer_seq: Annotated[int, Meta(ge=1, le=2**53)]
    prev_hash: Sha256
    occurred_at: UtcTime
    service: Label = ""
    environment: Label = ""


class _Event(_Envelope, omit_defaults=True, frozen=True, gc=False, kw_only=True):
    """What both events of a call carry."""

    call_id: Identifier
    logical_call_id: Label | None = None
    trace_id: Label | None = None
    span_id: Label | None = None
    session_id: Label | None = None
    user_id: Label | None = None
    department: Label | None = None
    feature: Label | None = None
    request_source: Label | None = None
    ip_address: Label | None = None
    user_agent: Label | None = None
    api_key_id: Label | None = None
    api_key_hint: Label | None = None
    provider: Label | None = None
    server_address: Label | None = None
    endpoint: Label | None = None
    operation: Label | None = None
    request_model: Label | None = None
    stream: bool | None = None


class CallStarted(_Event, omit_defaults=True, frozen=True, gc=False, kw_only=True, tag=STARTED):
    """A request is about to leave the process; a call whose `completed` never comes is a finding of its own."""


class CallCompleted(_Event, omit_defaults=True, frozen=True, gc=False, kw_only=True, tag=COMPLETED):
    """A call is over, whichever way; self-sufficient. `occurred_at` is the moment it ended.

    `api_key_id`, `request_hash` and `response_hash` are keyed HMACs: nobody confirms a guess without the key.
    """

    status: Annotated[str, Meta(min_length=1, max_length=40)]
    http_status_code: Annotated[int, Meta(ge=0, le=999)] | None = None
    error_type: Label | None = None
    error_code: Label | None = None
    error_message: Text | None = None
    retry_count: Count | None = None
    finish_reasons: Annotated[list[Label], Meta(max_length=128)] | None = None
    provider_request_id: Label | None = None
    auth_method: Label | None = None
    auth_result: Label | None = None
    http_method: Label | None = None
    response_model: Label | None = None
    service_tier: Label | None = None
    temperature: float | None = None
    max_tokens: Tokens | None = None
    usage: Usage | None = None
    usage_source: UsageSource = UsageSource.MISSING
    provider_usage: dict[str, Any] | None = None
    """The provider's own usage object, as it was sent."""
    latency_ms: Milliseconds | None = None
    time_to_first_token_ms: Milliseconds | None = None
    queue_time_ms: Milliseconds | None = None
    request_hash: Label | None = None
    response_hash: Label | None = None
    prompt_preview: Text | None = None
    response_preview: Text | None = None
    redactions: dict[Label, Count] | None = None
    attributes: dict[Label, Text] | None = None


class ProducerStats(_Envelope, omit_defaults=True, frozen=True, gc=False, kw_only=True, tag=STATS):
    """What the shims of one process have done since it began; counts only grow, `pending` and `spool_bytes` do not.

    A link in its producer's chain like any other event. It is no call: it is archived and counts for nothing else.
    """

    recorded: Total = 0
    """Events that were numbered, chained and encoded."""
    spooled: Total = 0
    """Of these, written to the disk."""
    published: Total = 0
    """Of these, acknowledged by Kafka."""
    pending: Total = 0
    """Of these, on their way."""
    dropped: dict[Label, Total] | None = None
    """What will never arrive, by reason."""
    faults: dict[Label, Total] | None = None
    """What went wrong inside the shims, by what they were doing."""
    spool_bytes: Total = 0
    last_error: Label = ""
    """What stands in the way of delivery; empty when nothing does."""


class Watermark(
    msgspec.Struct, omit_defaults=True, frozen=True, gc=False, kw_only=True, tag_field="type", tag=WATERMARK
):
    """A promise inside a quiet partition: events older than `watermark` that come after this record are late.

    Written by the slice worker, so that a partition without traffic holds nobody back, and so that which event was late
    is a property of the log and not of the clock of whoever reads it.
    """

    schema_version: Identifier
    watermark: UtcTime


Event = CallStarted | CallCompleted | ProducerStats | Watermark
