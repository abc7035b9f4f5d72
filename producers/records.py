"""What a recorder hands on: one Kafka record of `llm.calls`, complete with key and CloudEvents headers."""

from collections.abc import Callable
from typing import Final

import msgspec

RECORD_OVERHEAD_BYTES: Final = 512
"""What a waiting record weighs in memory beside its value: key, headers and the objects around them."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One Kafka record: ready to be appended to a batch or to a file. `key` is the producer id."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


Outlet = Callable[[Record], bool | None]
"""Takes a record and returns at once. False: the record was dropped; the recorder reports it in its next event.

A publisher is one, a spool is one, and so is `list.append`. It is called under the recorder's lock, so that the order
in the outlet is the order of the chain.
"""


_SPECVERSION: Final = ("ce_specversion", b"1.0")
_CONTENT_TYPE: Final = ("content-type", b"application/json")
# Where the quotes of a recorder's own head part it, in its order; 0.6 µs, where a JSON decoder looks at all of it.
_HEAD_QUOTES: Final = 34
_HEAD_NAMES: Final = (b"type", b"event_id", b"producer_id", b"service", b"occurred_at")


class EventHeaders:
    """CloudEvents binary-mode headers of one producer: what never changes is built once."""

    def __init__(self, service: str, producer_id: str) -> None:
        self._source = ("ce_source", f"/tokentrail/{service}/{producer_id}".encode(errors="replace"))
        self._types: dict[str, tuple[str, bytes]] = {}

    def of(self, event_type: str, event_id: str, occurred_at: str) -> list[tuple[str, bytes]]:
        """Return the headers of one event; `occurred_at` is RFC 3339."""
        type_header = self._types.get(event_type)
        if type_header is None:
            type_header = self._types[event_type] = ("ce_type", event_type.encode())
        return [
            _SPECVERSION,
            ("ce_id", event_id.encode()),
            self._source,
            type_header,
            ("ce_time", occurred_at.encode()),
            _CONTENT_TYPE,
        ]


def are_event_headers(headers: list[tuple[str, bytes]]) -> bool:
    """Tell whether headers were made by `EventHeaders`, so that `rebuild_headers` gives them again."""
    return len(headers) == _EVENT_HEADERS and headers[0] is _SPECVERSION


class _Head(msgspec.Struct, gc=False):
    type: str
    event_id: str
    producer_id: str
    occurred_at: str
    service: str = ""


_EVENT_HEADERS: Final = 6
_decode_head = msgspec.json.Decoder(_Head).decode


def rebuild_headers(value: bytes) -> list[tuple[str, bytes]]:
    """Return the headers that an event's value was recorded with. About 1 µs.

    Raises:
        msgspec.DecodeError: the value is no event.
    """
    parts = value.split(b'"', _HEAD_QUOTES)
    if (
        len(parts) <= _HEAD_QUOTES
        or (parts[1], parts[9], parts[13], parts[17], parts[31]) != _HEAD_NAMES
        or b"\\" in parts[15] + parts[19]  # a quote, perhaps: then the parts are others
    ):
        head = _decode_head(value)
        return EventHeaders(head.service, head.producer_id).of(head.type, head.event_id, head.occurred_at)
    return [
        _SPECVERSION,
        ("ce_id", parts[11]),
        ("ce_source", b"/tokentrail/%b/%b" % (parts[19], parts[15])),
        ("ce_type", parts[3]),
        ("ce_time", parts[33]),
        _CONTENT_TYPE,
    ]
