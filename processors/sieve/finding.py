"""Finding survivors: for which entities which rules may fire, by their bounds and by what they would learn. Pure."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from tokentrail.processors.rule_plans import FORGET_S, RulePlan
from tokentrail.processors.sieve.admission import ViewSurvivors
from tokentrail.processors.sieve.bounds import SLOT_S, Bound, Column, ViewSieve, can_learn
from tokentrail.processors.sieve.learning import Candidate, EntityTally, would_fire
from tokentrail.processors.sieve.tally import Table

_CODE_BITS: Final = 32

_Codes = npt.NDArray[np.uint64]
_Flags = npt.NDArray[np.bool_]
_Numbers = npt.NDArray[np.float64]


class LogFacts(msgspec.Struct, frozen=True):
    """What is known of a whole log."""

    span_s: tuple[int, int] = (0, 0)
    """The first and the last second of any call."""
    end_s: int = 0
    """The second up to which it is replayed."""
    skewed: Mapping[str, Mapping[int, int]] = MappingProxyType({})
    """View → code of an entity → how many of its calls were far off the time of their arrival."""
    producers: int = 0
    broken: frozenset[int] = frozenset()
    """Codes of producers whose chain may not be whole."""


def find_survivors(sieve: ViewSieve, tables: Iterable[Table], facts: LogFacts) -> ViewSurvivors:
    """Return what is left of a view. `tables`: its joined tally of such a log, each with entities of its own."""
    left = _Left()
    named = {rule.name: rule for rule in sieve.plan.rules if _may_have_learnt(rule, facts)}
    every = tuple(name for name in sieve.unbounded if name in named)
    skewed = facts.skewed.get(sieve.plan.view.name, {})
    for name in sieve.chained:
        left.add(name, facts.broken)
    for name, floor in sieve.skewed.items():
        left.add(name, [code for code, count in skewed.items() if count > floor])
    silent = None if every or sieve.chained else skewed.keys()
    entities = facts.producers if sieve.chained and not sieve.is_tallied else 0
    for table in tables:
        rows = _Rows(sieve, table)
        entities += len(rows.first)
        for name, after_s in sieve.absences.items():
            left.add(name, rows.codes[rows.pauses(after_s, facts.end_s)].tolist())
        _look_through(rows, {name: rule for name, rule in named.items() if name in sieve.bounds}, silent, facts, left)
    # Who made no calls, but was seen, is missed as well; being looked at then tells what else there is.
    seen = [code for code in {*skewed, *facts.broken} if every or code in left.rules]
    for name in sieve.absences:
        left.add(name, seen)
    return ViewSurvivors(every, left.freeze(), entities or None)


class _Left:
    def __init__(self) -> None:
        self.rules: dict[int, dict[str, None]] = {}

    def add(self, rule: str, codes: Iterable[int]) -> None:
        for code in codes:
            self.rules.setdefault(code, {})[rule] = None

    def freeze(self) -> dict[int, tuple[str, ...]]:
        known: dict[tuple[str, ...], tuple[str, ...]] = {}
        named = {code: tuple(sorted(self.rules[code])) for code in sorted(self.rules)}
        return {code: known.setdefault(rules, rules) for code, rules in named.items()}


def _may_have_learnt(rule: RulePlan, facts: LogFacts) -> bool:
    """Whether the log is long enough for a rule that says nothing before it knows what is usual."""
    return not rule.unlearnt_is_quiet or facts.end_s - facts.span_s[0] + rule.rule.window_s >= rule.rule.learning_s


def _look_through(
    rows: "_Rows", rules: Mapping[str, RulePlan], silent: Collection[int] | None, facts: LogFacts, left: _Left
) -> None:
    """Add the entities for which rules may fire.

    An entity for which one rule may fire is looked at in silence as well: when something slides out of a window, and
    when there was an event that is no call. Shares grow then, and learning ends. So its other rules are left out only
    if no window ever held enough for them. `silent`: who is looked at in silence whatever the rules; None: everybody.
    """
    within: dict[str, _Codes] = {}
    for name, rule in rules.items():
        bound = rows.bounds[name]
        reached = rows.reach(bound)
        within[name] = rows.codes_at(reached)
        if silent is not None:
            left.add(name, _find(rows, rule, bound, np.flatnonzero(rows.reach_share(bound, reached)), facts.span_s))
    looked_at = None if silent is None else np.array([*left.rules, *silent], dtype=np.uint64)
    for name, codes in within.items():
        left.add(name, (codes if looked_at is None else codes[np.isin(codes, looked_at)]).tolist())


def _find(
    rows: "_Rows", rule: RulePlan, bound: Bound, reached: npt.NDArray[np.int64], span_s: tuple[int, int]
) -> Iterator[int]:
    """Yield the codes of the entities for which a rule may fire at a call; `reached`: the rows that reach its bound."""
    if not can_learn(rule) or span_s[1] - span_s[0] >= FORGET_S:
        yield from rows.codes_at(reached).tolist()
        return
    numbers = [rows.values(Column(sums=(name,))) for name in rule.window.names]
    outer = [rows.outer(column, bound) for column in numbers]
    for group in np.unique(rows.groups[reached]):
        begin, end = rows.first[group], rows.end_of(group)
        at = reached[np.searchsorted(reached, begin) : np.searchsorted(reached, end)]
        tally = EntityTally(rows.slots[begin:end], [column[begin:end] for column in numbers])
        candidates = [Candidate(int(rows.slots[i]), [int(column[i]) for column in outer]) for i in at]
        if would_fire(rule, tally, candidates):
            yield int(rows.codes[begin])


class _Rows:
    """A view's table, sorted."""

    def __init__(self, sieve: ViewSieve, table: Table) -> None:
        self.bounds = sieve.bounds
        self._columns = sieve.columns
        self._table = table
        self.codes, self.slots = self._table["code"], self._table["slot"]
        changes = np.ones(len(self._table), dtype=np.bool_)
        changes[1:] = self.codes[1:] != self.codes[:-1]
        self.first = np.flatnonzero(changes)
        """The first row of each entity."""
        self.groups = np.cumsum(changes) - 1
        self._keys = (self.groups << _CODE_BITS) + self.slots

    def end_of(self, group: int) -> int:
        """Return the row behind the last of an entity."""
        return int(self.first[group + 1]) if group + 1 < len(self.first) else len(self._table)

    def pauses(self, after_s: int, end_s: int) -> _Flags:
        """Return for each row whether its entity may have been silent for longer than that behind it."""
        following = np.full(len(self.slots), end_s, dtype=np.int64)
        following[:-1] = np.where(self.codes[1:] == self.codes[:-1], self.slots[1:].astype(np.int64) * SLOT_S, end_s)
        found: _Flags = following + SLOT_S - self.slots.astype(np.int64) * SLOT_S > after_s
        return found

    def values(self, column: Column) -> _Numbers:
        """Return a column's value of each row."""
        name = "calls" if column.sums == ("calls",) else f"c{self._columns.index(column)}"
        values: _Numbers = self._table[name].astype(np.float64)
        return values

    def codes_at(self, rows: _Flags | npt.NDArray[np.int64]) -> _Codes:
        """Return the codes of the entities of some rows, each once."""
        found: _Codes = np.unique(self.codes[rows])
        return found

    def outer(self, values: _Numbers, bound: Bound) -> _Numbers:
        """Return, for each row, the sum over the outer slots of a window that ends in its slot."""
        begin = np.searchsorted(self._keys, self._keys - (bound.outer_slots - 1))
        totals = _add_up(values)
        found: _Numbers = (totals[1:] - totals[begin]).astype(np.float64)
        return found

    def inner(self, values: _Numbers, bound: Bound) -> _Numbers:
        """Return, for each row, the sum over the inner slots."""
        begin = np.searchsorted(self._keys, self._keys - bound.inner_slots)
        totals = _add_up(values)
        found: _Numbers = (totals[:-1] - totals[np.minimum(begin, np.arange(len(begin)))]).astype(np.float64)
        return found

    def reach(self, bound: Bound) -> _Flags:
        """Return for each row whether a window may hold enough, if its last calls are in the row's slot."""
        calls = self._table["calls"].astype(np.float64)
        reached: _Flags = self.outer(calls, bound) >= bound.min_calls
        if bound.column is None:
            return reached
        values = self.values(bound.column)
        if bound.column.largest:
            # Where the largest call is in the window is not asked: few entities have any so large.
            large = self.groups[values > bound.above]
            return reached & np.isin(self.groups, large)
        enough: _Flags = self.outer(values, bound) > bound.above
        if math.isfinite(bound.exact_calls):
            enough |= (np.bincount(self.groups, calls, minlength=1) > bound.exact_calls)[self.groups]
        return reached & enough

    def reach_share(self, bound: Bound, reached: _Flags) -> _Flags:
        """Return which of such rows have enough of their calls, too, if the window ends in the row's slot."""
        if bound.column is None or bound.per is None:
            return reached
        found = self.outer(self.values(bound.column), bound)
        return reached & (found >= bound.times * self.inner(self.values(bound.per), bound))


def _add_up(values: _Numbers) -> npt.NDArray[np.int64]:
    """Return the sums up to each value: of whole numbers, so that no other entity's make them inexact."""
    totals = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values.astype(np.int64), out=totals[1:])
    return totals
