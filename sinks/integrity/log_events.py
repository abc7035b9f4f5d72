"""Events of a batch of the log, and the columns of event_log that follow from them. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np

from tokentrail.schemas.decoding import Rejected, decode_events
from tokentrail.schemas.events import (
    COMPLETED,
    STARTED,
    STATS,
    WATERMARK,
    CallCompleted,
    CallStarted,
    ProducerStats,
    Watermark,
)
from tokentrail.sinks.clickhouse.ledger_block import EARLIEST, LATEST
from tokentrail.sinks.integrity.log_rows import Link, read_link

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_EARLIEST_US: Final = (EARLIEST - _EPOCH) // _MICROSECOND
_LATEST_US: Final = (LATEST - _EPOCH) // _MICROSECOND
_TYPES: Final[dict[type, str]] = {
    CallCompleted: COMPLETED,
    CallStarted: STARTED,
    ProducerStats: STATS,
    Watermark: WATERMARK,
    Rejected: "",
}
_occurred_at: Final = attrgetter("occurred_at")
_microsecond: Final = attrgetter("microsecond")


class LogEvents(msgspec.Struct, frozen=True):
    """Events in the order of their rows, and what `event_log` must say of each."""

    events: list[Any]
    event_types: list[str]
    rejections: list[str]
    occurred_us: np.ndarray[Any, np.dtype[np.int64]]
    """Since 1970, within what the column can hold; 0 where the record was rejected."""

    def links(self, payloads: Sequence[bytes]) -> list[Link | None]:
        """Return the place of each in its producer's chain; of a watermark, and of what has none, None."""
        if not self._any_unlinked():
            return self.events
        return [_link_of(event, payload) for event, payload in zip(self.events, payloads, strict=True)]

    def without(self, left_out: set[int]) -> "LogEvents":
        """Return the same with None for some."""
        events = [None if at in left_out else event for at, event in enumerate(self.events)]
        return msgspec.structs.replace(self, events=events)

    def take(self, places: Sequence[int]) -> "LogEvents":
        """Return those at these places."""
        return LogEvents(
            [self.events[at] for at in places],
            [self.event_types[at] for at in places],
            [self.rejections[at] for at in places],
            self.occurred_us[list(places)],
        )

    def _any_unlinked(self) -> bool:
        return "" in self.event_types or WATERMARK in self.event_types


def read_log_events(payloads: Sequence[bytes]) -> LogEvents:
    """Decode a batch."""
    events = decode_events(payloads)
    types = [_TYPES[kind] for kind in map(type, events)]
    if "" not in types and WATERMARK not in types:
        return LogEvents(events, types, [""] * len(events), microseconds(list(map(_occurred_at, events))))
    rejections = [event.reason.value if isinstance(event, Rejected) else "" for event in events]
    return LogEvents(events, types, rejections, microseconds(list(map(_moment_of, events))))


def microseconds(moments: Sequence[datetime]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return moments with a time zone as microseconds since 1970, within what `event_log` can hold."""
    rest = np.array(list(map(_microsecond, moments)), np.int64)
    stamps = np.array(list(map(datetime.timestamp, moments)), np.float64)
    # A stamp is exact to a µs until 2041 only; its whole seconds are, for as long as there are dates.
    seconds = np.rint(stamps - rest * 1e-6).astype(np.int64)
    stored: np.ndarray[Any, np.dtype[np.int64]] = np.clip(seconds * 1_000_000 + rest, _EARLIEST_US, _LATEST_US)
    return stored


def _moment_of(event: Any) -> datetime:
    if isinstance(event, Rejected):
        return _EPOCH
    moment: datetime = event.watermark if isinstance(event, Watermark) else event.occurred_at
    return moment


def _link_of(event: Any, payload: bytes) -> Link | None:
    if isinstance(event, Rejected):
        return read_link(payload)
    return None if isinstance(event, Watermark) else event
