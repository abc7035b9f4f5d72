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


class EventHeaders:
    """CloudEvents binary-mode headers of one producer: what never changes is built once."""

    def __init__(self, service: str, producer_id: str) -> None:
        self._specversion = ("ce_specversion", b"1.0")
        self._source = ("ce_source", f"/tokentrail/{service}/{producer_id}".encode(errors="replace"))
        self._content_type = ("content-type", b"application/json")
        self._types: dict[str, tuple[str, bytes]] = {}

    def of(self, event_type: str, event_id: str, occurred_at: str) -> list[tuple[str, bytes]]:
        """Return the headers of one event; `occurred_at` is RFC 3339."""
        type_header = self._types.get(event_type)
        if type_header is None:
            type_header = self._types[event_type] = ("ce_type", event_type.encode())
        return [
            self._specversion,
            ("ce_id", event_id.encode()),
            self._source,
            type_header,
            ("ce_time", occurred_at.encode()),
            self._content_type,
        ]
