"""What may be said of a call that is recorded by hand, and the call that follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypedDict

from tokentrail.producers.attempts import attempt_number
from tokentrail.producers.calls import Call, Outcome, new_id
from tokentrail.producers.context import context, current_attributes, current_labels
from tokentrail.producers.fingerprints import default_fingerprints, key_hint

if TYPE_CHECKING:
    from collections.abc import Mapping


class CallScribe(Protocol):
    """Takes described calls and returns at once, or with strict delivery when the start is safe on the disk."""

    def started(self, call: Call, occurred_at_ns: int) -> None:
        """Take a call that is about to be made."""

    def completed(self, call: Call, outcome: Outcome, occurred_at_ns: int) -> None:
        """Take a call that has ended."""


class CallOptions(TypedDict, total=False):
    """What `tokentrail.call` and `tokentrail.audited` take. All keywords, all optional.

    The labels (from `user_id` on) go before those of `tokentrail.context`. Of `api_key` only the fingerprint, the
    prefix and the last four characters are recorded. `scribe` takes the calls in place of this process's trail.
    """

    endpoint: str
    model: str
    provider: str
    operation: str
    server_address: str
    stream: bool
    api_key: str
    user_id: str | None
    session_id: str | None
    department: str | None
    team: str | None
    feature: str | None
    request_source: str | None
    attributes: Mapping[str, str] | None
    scribe: CallScribe


class Tokens(TypedDict, total=False):
    """Token counts of a call, as in `tokentrail.schemas.events.Usage`: two totals, and parts of them."""

    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    reasoning_tokens: int | None
    input_audio_tokens: int | None
    output_audio_tokens: int | None


def check_options(options: CallOptions) -> CallOptions:
    """Return the options.

    Raises:
        TypeError: one of them is none.
    """
    if unknown := options.keys() - CallOptions.__annotations__:
        raise TypeError(f"call() has no option {', '.join(sorted(unknown))}; see tokentrail.producers.call_options.")
    return options


def describe_call(options: CallOptions, outcome: Outcome) -> Call:
    """Return the call, and put what belongs to its end into the outcome."""
    with context(**{name: options.get(name) for name in _LABEL_OPTIONS}):  # type: ignore[arg-type] # by name
        labels, attributes = current_labels(), current_attributes()
    attempt = attempt_number.get()
    outcome.attributes = attributes
    outcome.retry_count = attempt.retry_count if attempt else None
    described = Call(
        logical_call_id=attempt.logical_call_id if attempt else new_id(),
        provider=options.get("provider"),
        server_address=options.get("server_address"),
        endpoint=options.get("endpoint"),
        operation=options.get("operation"),
        request_model=options.get("model"),
        stream=options.get("stream"),
        **labels,
    )
    if key := options.get("api_key"):
        described.api_key_id, described.api_key_hint = default_fingerprints().key_id(key), key_hint(key)
    return described


def secrets_of(options: CallOptions) -> tuple[str, ...]:
    """Return the key, which must not be in the event."""
    key = options.get("api_key")
    return (key,) if isinstance(key, str) and key else ()


_LABEL_OPTIONS: Final = ("user_id", "session_id", "department", "team", "feature", "request_source", "attributes")
