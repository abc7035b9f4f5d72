"""What a shim tells the recorder about a call: the fields of `tokentrail.schemas.events` without the envelope."""

from typing import Any

import msgspec
import uuid_utils
from msgspec import field

from tokentrail.schemas.events import Usage, UsageSource


def new_id() -> str:
    """Return a new UUIDv7: sorts by the time it was made."""
    return str(uuid_utils.uuid7())


class Call(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """Who calls what, as far as it is known before the request leaves; goes into both events of the call.

    What is the same for call after call comes first, then from `call_id` on what is this call's own: see `vetting`.
    """

    department: str | None = None
    feature: str | None = None
    request_source: str | None = None
    user_agent: str | None = None
    api_key_id: str | None = None
    """From `Fingerprints.key_id`; never the key itself."""
    api_key_hint: str | None = None
    provider: str | None = None
    server_address: str | None = None
    endpoint: str | None = None
    operation: str | None = None
    request_model: str | None = None
    stream: bool | None = None
    call_id: str = field(default_factory=new_id)
    logical_call_id: str | None = None
    """Shared by all attempts that an SDK makes for one call of the user's code."""
    trace_id: str | None = None
    span_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    ip_address: str | None = None


class Outcome(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """How a call ended, and what became known on the way; goes into its completed event.

    As in a `Call`: from `status` on it is this call's own.
    """

    http_method: str | None = None
    auth_method: str | None = None
    auth_result: str | None = None
    error_type: str | None = None
    error_code: str | None = None
    response_model: str | None = None
    service_tier: str | None = None
    finish_reasons: list[str] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    usage_source: UsageSource = UsageSource.MISSING
    status: str
    http_status_code: int | None = None
    retry_count: int | None = None
    latency_ms: float | None = None
    time_to_first_token_ms: float | None = None
    queue_time_ms: float | None = None
    request_hash: str | None = None
    response_hash: str | None = None
    usage: Usage | None = None
    provider_usage: dict[str, Any] | None = None
    provider_request_id: str | None = None
    error_message: str | None = None
    prompt_preview: str | None = None
    response_preview: str | None = None
    redactions: dict[str, int] | None = None
    attributes: dict[str, str] | None = None
