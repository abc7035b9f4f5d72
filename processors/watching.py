"""Watching: closed slices of all source partitions become ticks; each tick judges the entities it touches. Pure.

A tick (one second of event time) is evaluated when every source partition has closed it, with the sources added in a
fixed order. So the alerts are a function of the slices alone, not of how partitions interleave or batches are cut.
"""

import heapq
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from tokentrail.processors.call_facts import add_rows
from tokentrail.processors.entities import Entity, Glimpse, Remembered, Second
from tokentrail.processors.extras import EXTRAS
from tokentrail.processors.observing import EVIDENCE, Observer, end_orphans
from tokentrail.processors.rule_plans import FORGET_S, plan_views
from tokentrail.processors.sieve.admission import Survivors, code_of
from tokentrail.schemas.alerts import Alert
from tokentrail.schemas.rules import Rule
from tokentrail.schemas.slices import FrameView, Row, Slice

EntityKey = tuple[str, str]
"""View and entity."""
UNMERGED: Final = frozenset(("links", "growth"))
"""Extras whose order tells something: entities get those of each source."""

_Piece = tuple[Row, tuple[str, ...], Slice]
_BySource = dict[int, dict[EntityKey, _Piece]]
_by_entity = attrgetter("dimension", "where", "entity")


class WatchMark(msgspec.Struct, array_like=True, kw_only=True):
    """What must be remembered beside the entities, to go on exactly where the last flush was."""

    clock: int
    """The last tick evaluated."""
    active: list[EntityKey] = msgspec.field(default_factory=list)
    """Entities with an alert that is open or pending."""
    begun: int = -1
    """The first second in which anything was seen, by whichever partition; -1: not known yet."""
    timers: list[tuple[int, EntityKey]] = msgspec.field(default_factory=list)
    """Seconds at which entities want a tick, whatever comes."""


class PartitionWatch:
    """Watches the entities of one destination partition. Not thread-safe.

    `entities` may load lazily, as long as what was put in comes out again. Slices may be applied twice; a second that a
    source has closed before is ignored. With `survivors` entities are judged by the rules that may fire for them alone.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        entities: MutableMapping[EntityKey, Remembered],
        mark: WatchMark | None = None,
        survivors: Survivors | None = None,
    ) -> None:
        self._entities = entities
        self._survivors = survivors
        self._clock = mark.clock if mark else None
        self._begun = mark.begun if mark else -1
        self._opened: int | None = None
        self._active: set[EntityKey] = set(mark.active) if mark else set()
        self._timers: list[tuple[int, EntityKey]] = sorted(mark.timers) if mark else []
        self._due: dict[EntityKey, int] = {key: due for due, key in self._timers}
        self._expiries: list[tuple[int, EntityKey]] = []
        self._sources = 0
        self._closed: dict[int, int] = {}
        self._pending: dict[int, _BySource] = {}
        self.dirty: set[EntityKey] = set()
        """Entities changed, or forgotten, since the owner last cleared this set."""
        self.follow(rules)

    def follow(self, rules: Sequence[Rule]) -> None:
        """Judge by other rules from the next tick on; what entities remember stays, alerts of rules that go end."""
        plans = plan_views(rules)
        self._observers = {name: Observer(plan) for name, plan in plans.items()}
        self._narrow: dict[tuple[str, tuple[str, ...]], Observer] = {}
        for key in sorted(self._active) if self._clock is not None else ():
            self._set_timer(key, (self._clock or 0) + 1)

    @property
    def mark(self) -> WatchMark | None:
        """What to store with the entities; None before the first tick."""
        if self._clock is None:
            return None
        timers = sorted((due, key) for key, due in self._due.items())
        return WatchMark(clock=self._clock, active=sorted(self._active), begun=self._begun, timers=timers)

    @property
    def clock(self) -> int | None:
        """The last tick evaluated; everything up to it is applied."""
        return self._clock

    def apply(  # noqa: PLR0913, PLR0917 - the parts of a frame
        self, source: int, sources: int, closed_through: int, views: Sequence[FrameView], rows: Sequence[Row],
        slices: Sequence[Slice], opened: int = -1,
    ) -> None:  # fmt: skip
        """Take in what a source partition closed. Ticks are evaluated by `advance`.

        `opened`: the first of these seconds in which it had anything at all, here or for other destinations; -1: none.
        """
        if self._begun < 0:
            self._note_opened(slices[0].second if slices and opened < 0 else opened)
        self._sources = max(self._sources, sources)
        after = self._closed.get(source, self._clock)
        second, pieces = -1, {}
        for piece in slices:
            if after is None or piece.second > after:
                if piece.second != second:
                    second = piece.second
                    pieces = self._pending.setdefault(second, {}).setdefault(source, {})
                view = views[piece.view]
                pieces[view.name, piece.entity] = (rows[piece.row], view.extras, piece)
        if after is None or closed_through > after:
            self._closed[source] = closed_through

    def advance(self) -> Iterator[Alert]:
        """Evaluate every tick that all sources have closed, and yield the alerts' state changes in order."""
        if not self._sources or len(self._closed) < self._sources:
            return
        through = min(self._closed.values())
        if self._begun < 0 and self._opened is not None and self._opened <= through:
            self._begun = self._opened
        for second in self._ticks(through):
            yield from self._evaluate(second, self._pending.pop(second, None))
            self._clock = second
        self._clock = through if self._clock is None else max(self._clock, through)
        self._expire(self._clock)

    def expect(self, key: EntityKey, idle_since: int) -> None:
        """Forget an entity that is stored already once it has been idle for too long."""
        heapq.heappush(self._expiries, (idle_since + self._retention_s(key) + 1, key))

    def _retention_s(self, key: EntityKey) -> int:
        observer = self._observers.get(key[0])
        return FORGET_S if observer is None else observer.plan.retention_s  # a view may come back with its rule

    def _note_opened(self, second: int) -> None:
        if second >= 0 and (self._opened is None or second < self._opened):
            self._opened = second

    def _ticks(self, through: int) -> Iterator[int]:
        """Seconds to evaluate: those with calls, and those with a timer."""
        waiting = sorted(second for second in self._pending if second <= through)
        for second in waiting:
            yield from self._quiet_ticks(second - 1)
            yield second
        yield from self._quiet_ticks(through)

    def _quiet_ticks(self, through: int) -> Iterator[int]:
        while self._clock is not None and self._timers and self._timers[0][0] <= through:
            yield max(self._clock + 1, self._timers[0][0])

    def _evaluate(self, second: int, by_source: _BySource | None) -> list[Alert]:
        seen = _merge(by_source) if by_source else {}
        timed = self._pop_timers(second)
        told: list[Alert] = []
        for key, observed in seen.items():
            self._observe(key, second, observed, told)
        for key in timed:
            if key not in seen:
                self._observe(key, second, None, told)
        if len(told) > 1:
            told.sort(key=_by_entity)
        return told

    def _observer_of(self, key: EntityKey) -> Observer | None:
        observer = self._observers.get(key[0])
        if observer is None or self._survivors is None:
            return observer
        view, entity = key
        rules = self._survivors[view].rules_of(code_of(entity))
        narrow = self._narrow.get((view, rules))
        if narrow is None:
            narrow = self._narrow[view, rules] = Observer(observer.plan.narrow(rules))
        return narrow

    def _observe(self, key: EntityKey, second: int, seen: Second | None, told: list[Alert]) -> None:
        observer = self._observers.get(key[0]) if self._survivors is None else self._observer_of(key)
        entity = self._entities.get(key)
        if observer is None:
            self._leave(key, second, entity, told)
            return
        plan = observer.plan
        known = entity is not None
        if isinstance(entity, Glimpse):
            entity = self._recall(key, second, entity, told)
        elif (
            entity is not None
            and entity.last_seen < second - plan.retention_s
            and not entity.tracks
            and seen is not None
        ):
            entity = None
        if entity is None:
            if not known:
                heapq.heappush(self._expiries, (second + plan.retention_s + 1, key))
            if seen is not None and observer.can_wait(seen):
                self._entities[key] = Glimpse(second, seen)
                self.dirty.add(key)
                return
            entity = self._entities[key] = Entity()
        told.extend(observer.observe(entity, key[1], second, seen, self._begun))
        self.dirty.add(key)
        if entity.tracks:
            self._active.add(key)
        elif self._active:
            self._active.discard(key)
        if plan.timed or entity.tracks or key in self._due:
            self._set_timer(key, observer.due(entity))

    def _recall(self, key: EntityKey, second: int, glimpse: Glimpse, told: list[Alert]) -> Entity | None:
        """Make an entity of what was a glimpse of it; None if that is too long ago."""
        observer = self._observer_of(key)
        assert observer is not None  # noqa: S101 - the caller has found it
        if glimpse.second < second - observer.plan.retention_s:
            return None
        entity = self._entities[key] = Entity()
        # Nothing is told of it, unless the rules are others since.
        told.extend(observer.observe(entity, key[1], glimpse.second, glimpse.seen, self._begun))
        return entity

    def _leave(self, key: EntityKey, second: int, entity: Remembered | None, told: list[Alert]) -> None:
        """End the alerts of an entity whose view no rule looks at any more."""
        self._active.discard(key)
        if isinstance(entity, Entity) and entity.tracks:
            told.extend(end_orphans(entity, second, frozenset()))
            self.dirty.add(key)

    def _set_timer(self, key: EntityKey, due: int | None) -> None:
        if self._due.get(key) == due:
            return
        if due is None:
            self._due.pop(key, None)
        else:
            self._due[key] = due
            heapq.heappush(self._timers, (due, key))

    def _pop_timers(self, second: int) -> list[EntityKey]:
        due: list[EntityKey] = []
        timers = self._timers
        while timers and timers[0][0] <= second:
            at, key = heapq.heappop(timers)
            if self._due.get(key) == at:
                del self._due[key]
                due.append(key)
        return due

    def _expire(self, clock: int) -> None:
        """Forget entities that have been idle for too long: what would be reset at their next call takes no room."""
        expiries = self._expiries
        while expiries and expiries[0][0] < clock:
            _, key = heapq.heappop(expiries)
            entity = self._entities.get(key)
            if entity is None:
                continue
            last_seen, told_of = (
                (entity.second, {}) if isinstance(entity, Glimpse) else (entity.last_seen, entity.tracks)
            )
            idle_after = last_seen + self._retention_s(key) + 1
            if idle_after >= clock or told_of or key in self._due:
                heapq.heappush(expiries, (max(idle_after, clock + 1), key))
                continue
            del self._entities[key]
            self.dirty.add(key)


def _merge(by_source: Mapping[int, Mapping[EntityKey, _Piece]]) -> dict[EntityKey, Second]:
    if len(by_source) == 1:
        (only,) = by_source.values()
        return {key: _single(*piece) for key, piece in only.items()}
    pieces: dict[EntityKey, list[_Piece]] = {}
    for source in sorted(by_source):
        for key, piece in by_source[source].items():
            pieces.setdefault(key, []).append(piece)
    return {key: _single(*found[0]) if len(found) == 1 else _sum(found) for key, found in pieces.items()}


def _single(row: Row, names: tuple[str, ...], piece: Slice) -> Second:
    extras: dict[str, Any] | None = None
    if piece.extras is not None:
        extras = {
            name: [value] if name in UNMERGED else value
            for name, value in zip(names, piece.extras, strict=True)
            if value is not None
        }
    failed = (row.failed_call_id,) if row.failed_call_id else ()
    return Second(row, extras, (row.largest_call_id,) if row.largest_call_id else (), failed)


def _sum(pieces: list[_Piece]) -> Second:
    rows = [row for row, _, _ in pieces]
    recent = sorted((-row.largest_call_tokens, row.largest_call_id) for row in rows if row.largest_call_id)
    failed = tuple([row.failed_call_id for row in rows if row.failed_call_id])
    gathered: dict[str, list[Any]] = {}
    for _, names, piece in pieces:
        for name, value in zip(names, piece.extras or (), strict=bool(piece.extras)):
            if value is not None:
                gathered.setdefault(name, []).append(value)
    extras = {name: values if name in UNMERGED else EXTRAS[name].merge(values) for name, values in gathered.items()}
    largest = tuple([call_id for _, call_id in recent[:EVIDENCE]])
    return Second(add_rows(rows), extras or None, largest, failed[:EVIDENCE])
