"""Entities: everything that is remembered about one user, key, model, …; serialised as it is."""

from typing import Any

import msgspec

from tokentrail.processors.baselines import Baseline
from tokentrail.processors.context_growth import GrowthState
from tokentrail.processors.detection import MonthSpend
from tokentrail.processors.known_values import KnownValues
from tokentrail.processors.lifecycle import AlertTrack
from tokentrail.processors.producer_links import ProducerState
from tokentrail.processors.windows import Window
from tokentrail.schemas.slices import Row


class Entity(msgspec.Struct, array_like=True, kw_only=True, omit_defaults=True, tag=0):
    """One entity's memory; serialised as it is. Rules that come and go leave the rest of it untouched."""

    last_tick: int = -1
    """The last second applied or judged: a second is never applied twice, whatever is read again."""
    last_seen: int = -1
    """The last second with anything in it."""
    known_since: int = -1
    """The first one."""
    windows: dict[int, Window] = msgspec.field(default_factory=dict)
    baselines: dict[str, Baseline] = msgspec.field(default_factory=dict)
    tracks: dict[str, AlertTrack] = msgspec.field(default_factory=dict)
    """Only of rules that are pending or firing."""
    recent: list[tuple[int, str]] = msgspec.field(default_factory=list)
    """The largest calls of the last seconds that had calls, newest first, each with its second."""
    failed: list[tuple[int, str]] = msgspec.field(default_factory=list)
    """Failed calls of the last seconds that had any, newest first."""
    known: dict[str, KnownValues] = msgspec.field(default_factory=dict)
    months: dict[str, MonthSpend] = msgspec.field(default_factory=dict)
    growth: GrowthState | None = None
    producer: ProducerState | None = None
    fired_through: dict[str, int] = msgspec.field(default_factory=dict)
    """Rule → the last second of its last alert, as long as a window that overlaps it may yet be learnt."""


class Second(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One entity's second, added up over all source partitions."""

    row: Row
    extras: dict[str, Any] | None
    """Extra → its merged value; `links` and `growth` → those of each source."""
    recent: tuple[str, ...]
    failed: tuple[str, ...]


class Glimpse(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=1):
    """An entity that was seen in one second only, in which no rule could fire: that second, and no more.

    Most request hashes, and many users, never come again: an `Entity` is made of it when they do.
    """

    second: int
    seen: Second

    @property
    def last_seen(self) -> int:
        """As of an entity: the only second."""
        return self.second

    @property
    def tracks(self) -> dict[str, AlertTrack]:
        """As of an entity: none."""
        return {}


Remembered = Entity | Glimpse
