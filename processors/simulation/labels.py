"""What a simulation says about itself: which incidents are in it, and what they touch."""

from datetime import datetime

import msgspec


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One label. Detection should tell of it, unless it is harmless: then nothing should fire because of it."""

    kind: str
    start: datetime
    """Event time of its first effect."""
    end: datetime
    """Event time of its last effect; what it leaves in windows and baselines lasts longer."""
    entities: dict[str, list[str]]
    """Event field → the values that it changes. The first field names what it is about."""
    harmless: bool
    note: str
    """What happens and how large it is, for people."""


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """The labels of one simulation, as they are written to a file: the same arguments give the same events."""

    seed: int
    start: datetime
    days: float
    calls_per_day: float
    incidents: list[Incident]
