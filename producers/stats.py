"""What the shims of this process have done, in one object: for `tokentrail.stats()`, events and metrics."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec


class ShimStats(msgspec.Struct, kw_only=True):
    """Counts since the process began, of all its recorders together; the fields of a `producer.stats` event."""

    recorded: int = 0
    """Events that were numbered, chained and encoded."""
    spooled: int = 0
    """Of these, written to the disk; 0 where events wait in memory."""
    published: int = 0
    """Of these, acknowledged by all in-sync replicas."""
    pending: int = 0
    """Of these, on their way: on the disk or in memory."""
    dropped: dict[str, int] = {}
    """What will never arrive, by reason: events; `overloaded` counts what was not even made an event."""
    faults: dict[str, int] = {}
    """What went wrong inside the shims, by what they were doing."""
    spool_bytes: int = 0
    last_error: str = ""
    """What stands in the way of delivery now; empty when nothing does."""


class _RecorderCounts(Protocol):
    @property
    def recorded(self) -> int: ...


class BusCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What every bus can tell, whatever its mode."""

    spooled: int = 0
    published: int = 0
    pending: int = 0
    dropped: dict[str, int] = {}
    spool_bytes: int = 0
    last_error: str = ""


def collect_stats(
    recorders: Iterable[_RecorderCounts],
    bus: BusCounts,
    scribe_dropped: Mapping[str, int],
    faults: Mapping[str, int],
) -> ShimStats:
    """Put together what the parts have counted. Pure."""
    dropped = Counter(bus.dropped)
    dropped.update(scribe_dropped)
    return ShimStats(
        recorded=sum(recorder.recorded for recorder in recorders),
        spooled=bus.spooled,
        published=bus.published,
        pending=bus.pending,
        dropped={reason: count for reason, count in dropped.items() if count},
        faults=dict(faults),
        spool_bytes=bus.spool_bytes,
        last_error=bus.last_error,
    )
