"""Watching: closed slices of all source partitions become ticks; each tick judges the entities it touches. Pure.

A tick (one second of event time) is evaluated when every source partition has closed it, with the sources added in a
fixed order. So the alerts are a function of the slices alone, not of how partitions interleave or batches are cut.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence

import msgspec

from tokentrail.processors.entities import EVIDENCE, Entity, Observer, Second, plan_rules
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.rules import Rule
from tokentrail.schemas.slices import Slice

EntityKey = tuple[str, str]
"""Grouping and entity."""

_ByEntity = dict[EntityKey, Slice]


class WatchMark(msgspec.Struct, array_like=True, kw_only=True):
    """What must be remembered beside the entities, to go on exactly where the last flush was."""

    clock: int
    """The last tick evaluated."""
    active: list[EntityKey] = msgspec.field(default_factory=list)
    """Entities that want every tick."""


class PartitionWatch:
    """Watches the entities of one destination partition. Not thread-safe.

    `entities` may load lazily, as long as what was put in comes out again. Slices may be applied twice; a second that a
    source has closed before is ignored.
    """

    def __init__(
        self, rules: Sequence[Rule], entities: MutableMapping[EntityKey, Entity], mark: WatchMark | None = None
    ) -> None:
        self._observers = {grouping: Observer(grouping, plans) for grouping, plans in plan_rules(rules).items()}
        self._entities = entities
        self._clock = mark.clock if mark else None
        self._active: set[EntityKey] = set(mark.active) if mark else set()
        self._sources = 0
        self._closed: dict[int, int] = {}
        self._pending: dict[int, dict[int, _ByEntity]] = {}
        self.dirty: set[EntityKey] = set()
        """Entities changed since the owner last cleared this set."""

    @property
    def mark(self) -> WatchMark | None:
        """What to store with the entities; None before the first tick."""
        return None if self._clock is None else WatchMark(clock=self._clock, active=sorted(self._active))

    @property
    def clock(self) -> int | None:
        """The last tick evaluated; everything up to it is applied."""
        return self._clock

    def apply(
        self, source: int, sources: int, closed_through: int, groupings: Sequence[str], slices: Iterable[Slice]
    ) -> None:
        """Take in what a source partition closed. Ticks are evaluated by `advance`."""
        self._sources = max(self._sources, sources)
        after = self._closed.get(source, self._clock)
        for piece in slices:
            if after is None or piece.second > after:
                by_source = self._pending.setdefault(piece.second, {})
                by_source.setdefault(source, {})[groupings[piece.grouping], piece.entity] = piece
        if after is None or closed_through > after:
            self._closed[source] = closed_through

    def advance(self) -> Iterator[Alert]:
        """Evaluate every tick that all sources have closed, and yield the alerts' state changes in order."""
        if not self._sources or len(self._closed) < self._sources:
            return
        through = min(self._closed.values())
        for second in self._ticks(through):
            yield from self._evaluate(second, self._pending.pop(second, None))
            self._clock = second
        self._clock = through if self._clock is None else max(self._clock, through)

    def _ticks(self, through: int) -> Iterator[int]:
        """Seconds to evaluate: those with calls, and each one while an alert is active."""
        waiting = sorted(second for second in self._pending if second <= through)
        for second in waiting:
            yield from self._idle_ticks(second - 1)
            yield second
        yield from self._idle_ticks(through)

    def _idle_ticks(self, through: int) -> Iterator[int]:
        while self._active and self._clock is not None and self._clock < through:
            yield self._clock + 1

    def _evaluate(self, second: int, by_source: Mapping[int, _ByEntity] | None) -> Iterator[Alert]:
        seen = _merge(by_source) if by_source else {}
        for key in sorted(self._active.union(seen)):
            observer = self._observers.get(key[0])
            if observer is None:
                self._active.discard(key)
                continue
            entity = self._entities.get(key)
            if entity is None:
                entity = self._entities[key] = Entity()
            yield from observer.observe(entity, key[1], second, seen.get(key))
            self.dirty.add(key)
            if observer.is_active(entity):
                self._active.add(key)
            else:
                self._active.discard(key)


def _merge(by_source: Mapping[int, _ByEntity]) -> dict[EntityKey, Second]:
    pieces: dict[EntityKey, list[Slice]] = {}
    for source in sorted(by_source):
        for key, piece in by_source[source].items():
            pieces.setdefault(key, []).append(piece)
    return {key: _sum(found) for key, found in pieces.items()}


def _sum(pieces: list[Slice]) -> Second:
    if len(pieces) == 1:
        only = pieces[0]
        return Second(only.tally, [only.largest_call_id], [only.failed_call_id] if only.failed_call_id else [])
    calls = errors = input_tokens = output_tokens = 0
    for piece in pieces:
        calls += piece.tally[0]
        errors += piece.tally[1]
        input_tokens += piece.tally[2]
        output_tokens += piece.tally[3]
    by_size: Callable[[Slice], tuple[int, str]] = lambda piece: (-piece.largest_call_tokens, piece.largest_call_id)  # noqa: E731 - typed for the sort
    recent = [piece.largest_call_id for piece in sorted(pieces, key=by_size)][:EVIDENCE]
    failed = [piece.failed_call_id for piece in pieces if piece.failed_call_id][:EVIDENCE]
    return Second((calls, errors, input_tokens, output_tokens), recent, failed)
