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


class Entity(msgspec.Struct, array_like=True, kw_only=True, omit_defaults=True):
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


class Second(msgspec.Struct, frozen=True, gc=False):
    """One entity's second, added up over all source partitions."""

    row: Row
    extras: dict[str, Any] | None
    """Extra → its merged value; `links` and `growth` → those of each source."""
    recent: list[str]
    failed: list[str]
