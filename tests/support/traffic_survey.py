"""One pass over simulated traffic: what every event must hold, and what each incident's events are."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import cast

import msgspec

from tokentrail.processors.simulation.events import CallEvent
from tokentrail.processors.simulation.labels import Incident
from tokentrail.processors.simulation.schedule import all_kinds
from tokentrail.processors.simulation.simulation import Simulation
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, CallStarted

START = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""
BEFORE = timedelta(hours=2)


class Seen(msgspec.Struct, frozen=True, gc=False):
    arrived: datetime
    event: CallEvent


class Survey(msgspec.Struct):
    simulation: Simulation
    by_incident: list[list[Seen]]
    """What came in an incident's time, and shortly before and after, with a value that the incident is about."""
    address_first_seen: dict[str, datetime]
    calls: int = 0
    gaps: Counter[str] = msgspec.field(default_factory=Counter)
    """By producer: jumps in its sequence."""
    breaks: Counter[str] = msgspec.field(default_factory=Counter)
    """By producer: hashes that do not link to the event before, where none is missing."""
    open_calls: dict[str, CallStarted] = {}

    def incidents(self, kind: str) -> list[tuple[Incident, list[Seen]]]:
        return [
            (incident, seen)
            for incident, seen in zip(self.simulation.incidents, self.by_incident, strict=True)
            if incident.kind == kind
        ]


@cache
def survey_everything() -> Survey:
    """Four days with each kind of incident in them."""
    return survey(Simulation(0, start=START, days=4, calls_per_day=8_000, kinds=all_kinds()))


def survey(simulation: Simulation) -> Survey:
    found = Survey(simulation, [[] for _ in simulation.incidents], {})
    about: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for number, incident in enumerate(simulation.incidents):
        field = next(iter(incident.entities))
        for value in incident.entities[field]:
            about[field, value].append(number)
    fields = sorted({field for field, _ in about})
    heads: dict[str, tuple[int, str]] = {}
    for batch in simulation.batches():
        for timestamp_ms, event, digest in zip(batch.timestamps_ms, batch.events, batch.hashes, strict=True):
            call = cast("CallEvent", event)
            _follow(found, call, heads, digest)
            arrived = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
            found.address_first_seen.setdefault(call.ip_address or "", arrived)
            for field in fields:
                for number in about.get((field, getattr(call, field, "")), ()):
                    incident = simulation.incidents[number]
                    if incident.start - BEFORE <= arrived <= incident.end + BEFORE:
                        found.by_incident[number].append(Seen(arrived, call))
    return found


def _follow(found: Survey, call: CallEvent, heads: dict[str, tuple[int, str]], digest: str) -> None:
    number, head = heads.get(call.producer_id, (0, GENESIS_HASH))
    if call.producer_seq != number + 1:
        found.gaps[call.producer_id] += 1
    elif call.prev_hash != head:
        found.breaks[call.producer_id] += 1
    heads[call.producer_id] = (call.producer_seq, digest)
    if isinstance(call, CallStarted):
        found.open_calls[call.call_id] = call
    else:
        found.calls += 1
        found.open_calls.pop(call.call_id, None)


def completed(seen: list[Seen], since: datetime, until: datetime) -> list[CallCompleted]:
    """The completed events that arrived in a stretch of time."""
    return [one.event for one in seen if isinstance(one.event, CallCompleted) and since <= one.arrived <= until]
