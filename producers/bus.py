"""The bus: this process's way to Kafka, by the setting `delivery`."""

from collections.abc import Callable, Sequence
from typing import Protocol

from tokentrail.producers.outlets import SideBySide, SideOutlet, beside, side_outlets
from tokentrail.producers.records import Record
from tokentrail.producers.stats import BusCounts
from tokentrail.settings import Settings


class Bus(Protocol):
    """Takes records from one thread, and gets them to Kafka from another. Never raises, never waits for Kafka."""

    def append(self, record: Record) -> bool:
        """Take a record. False: it was dropped, and counted under its reason."""
        ...

    def commit(self) -> bool:
        """Make what was appended as safe as the mode promises. False: not all of it is; it is dropped and counted."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything committed so far is in Kafka. False: time is up. From any thread."""
        ...

    def close(self, timeout_s: float = ...) -> bool:
        """Flush and stop; what is appended later is dropped. From any thread, once nothing is appended any more."""
        ...

    def counts(self) -> BusCounts:
        """Return the counts so far. From any thread."""
        ...


class OpenBus:
    """A bus, and the outlets that get each event beside it."""

    def __init__(self, bus: Bus, others: Sequence[SideOutlet]) -> None:
        self.append = SideBySide(bus.append, others)
        self.commit = bus.commit
        self.flush = bus.flush
        self.close = bus.close
        self.counts = bus.counts


def open_bus(settings: Settings, *, on_drop: Callable[[bytes, int], None] = lambda _key, _count: None) -> Bus:
    """Return the bus of a mode: `spool` and `strict` on disk, `memory` in memory. No I/O until the first record.

    Beside it, each event goes where the settings and `tokentrail.producers.outlets.add_outlets` say. `on_drop` gets key
    and number of records that are dropped after `append` has taken them; called where `append` and `commit` are.
    """
    configured = side_outlets(jsonl=settings.events_file, logger=settings.events_logger or None)
    beside.extend(configured)
    return OpenBus(_open(settings, on_drop), beside)


def _open(settings: Settings, on_drop: Callable[[bytes, int], None]) -> Bus:
    if settings.delivery == "memory":
        from tokentrail.producers.publisher import Publisher

        return Publisher.from_settings(settings)
    from tokentrail.producers.spool.bus import Spool

    return Spool.from_settings(settings, on_drop=on_drop)
