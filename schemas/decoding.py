"""Reading one record of `llm.calls`: an event, or why it is refused. Never raises on bad data."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

import msgspec

from tokentrail.schemas.events import COMPLETED, SCHEMA_MAJOR, STARTED, STATS, WATERMARK, Event

MAX_EVENT_BYTES: Final = 1_048_576
"""Records above this are refused unread; the topic itself accepts up to 4 MiB, so that they can be named."""


class Reason(StrEnum):
    """Why a record is in the dead letters."""

    EMPTY = "empty"
    OVERSIZED = "oversized"
    INVALID_JSON = "invalid_json"
    INVALID_EVENT = "invalid_event"
    UNKNOWN_TYPE = "unknown_type"
    UNSUPPORTED_VERSION = "unsupported_version"


class Rejected(msgspec.Struct, frozen=True):
    """A record that cannot be read: the kind of fault, and what exactly is wrong (never the record's content)."""

    reason: Reason
    detail: str


class _Envelope(msgspec.Struct, gc=False):
    type: str
    schema_version: str


_decode_event: Callable[[bytes], Event] = msgspec.json.Decoder(Event).decode
_version_of: Callable[[Any], str] = attrgetter("schema_version")
_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_KNOWN_TYPES = frozenset((STARTED, COMPLETED, STATS, WATERMARK))


def decode_event(payload: bytes | None) -> Event | Rejected:
    """Decode a record's value. Pure; about 2 µs for 1.5 KB. Accepts every 1.x version and ignores unknown fields."""
    if not payload:
        return Rejected(Reason.EMPTY, "the record has no value")
    if len(payload) > MAX_EVENT_BYTES:
        return Rejected(Reason.OVERSIZED, f"{len(payload)} bytes, the limit is {MAX_EVENT_BYTES}")
    try:
        event = _decode_event(payload)
    except msgspec.ValidationError as error:
        return _explain(payload, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Rejected(Reason.INVALID_JSON, str(error))
    if not event.schema_version.startswith(SCHEMA_MAJOR):
        return Rejected(Reason.UNSUPPORTED_VERSION, f"schema_version {event.schema_version}, this reader knows 1.x")
    return event


def decode_events(payloads: Sequence[bytes]) -> list[Event | Rejected]:
    """Decode the values of many records, each as `decode_event` does; a third cheaper where nearly all are sound."""
    if max(map(len, payloads), default=0) > MAX_EVENT_BYTES:
        return list(map(decode_event, payloads))
    events: list[Event | Rejected] = []
    while len(events) < len(payloads):
        begin = len(events)
        # What was decoded before the one that cannot be is kept either way: this goes on behind it.
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            events += map(_decode_event, payloads[begin:])
        if not all(map(str.startswith, map(_version_of, events[begin:]), repeat(SCHEMA_MAJOR))):
            events[begin:] = map(decode_event, payloads[begin : len(events)])
        if len(events) < len(payloads):
            events.append(decode_event(payloads[len(events)]))
    return events


def _explain(payload: bytes, detail: str) -> Rejected:
    try:
        envelope = _decode_envelope(payload)
    except msgspec.ValidationError:
        return Rejected(Reason.INVALID_EVENT, detail)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Rejected(Reason.INVALID_JSON, str(error))
    if not envelope.schema_version.startswith(SCHEMA_MAJOR):
        version = envelope.schema_version[:40]
        return Rejected(Reason.UNSUPPORTED_VERSION, f"schema_version {version}, this reader knows 1.x")
    if envelope.type not in _KNOWN_TYPES:
        return Rejected(Reason.UNKNOWN_TYPE, f"type {envelope.type[:80]!r}")
    return Rejected(Reason.INVALID_EVENT, detail)
