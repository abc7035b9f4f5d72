"""Finding survivors: for which entities which rules may fire, by their bounds and by what they would learn. Pure."""

from collections.abc import Iterable, Iterator, Mapping
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
    named = {rule.name: rule for rule in sieve.plan.rules if _may_have_learnt(rule, facts.span_s)}
    entities = facts.producers if sieve.chained and not sieve.is_tallied else 0
    for table in tables:
        rows = _Rows(sieve, table)
        entities += len(rows.first)
        for name, bound in sieve.bounds.items():
            if name in named:
                left.add(name, _find(rows, named[name], bound, facts.span_s))
        for name, after_s in sieve.absences.items():
            left.add(name, rows.codes[rows.pauses(after_s, facts.end_s)].tolist())
    for name in sieve.chained:
        left.add(name, facts.broken)
    skewed = facts.skewed.get(sieve.plan.view.name, {})
    for name, floor in sieve.skewed.items():
        left.add(name, (code for code, count in skewed.items() if count > floor))
    every = tuple(name for name in sieve.unbounded if name in named)
    return ViewSurvivors(every, left.rules, entities or None)


class _Left:
    def __init__(self) -> None:
        self.rules: dict[int, tuple[str, ...]] = {}

    def add(self, rule: str, codes: Iterable[int]) -> None:
        for code in sorted(set(codes)):
            self.rules[code] = (*self.rules.get(code, ()), rule)


def _may_have_learnt(rule: RulePlan, span_s: tuple[int, int]) -> bool:
    """Whether the log is long enough for a rule that says nothing before it knows what is usual."""
    first, last = span_s
    return not rule.unlearnt_is_quiet or last - first + rule.rule.window_s >= rule.rule.learning_s


def _find(rows: "_Rows", rule: RulePlan, bound: Bound, span_s: tuple[int, int]) -> Iterator[int]:
    """Yield the codes of the entities for which a rule may fire."""
    reached = np.flatnonzero(rows.reach(bound))
    if not can_learn(rule) or span_s[1] - span_s[0] >= FORGET_S:
        yield from np.unique(rows.codes[reached]).tolist()
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

    def outer(self, values: _Numbers, bound: Bound) -> _Numbers:
        """Return, for each row, the sum over the outer slots of a window that ends in its slot."""
        begin = np.searchsorted(self._keys, self._keys - (bound.outer_slots - 1))
        totals = np.concatenate(([0.0], np.cumsum(values)))
        found: _Numbers = totals[1:] - totals[begin]
        return found

    def inner(self, values: _Numbers, bound: Bound) -> _Numbers:
        """Return, for each row, the sum over the inner slots."""
        begin = np.searchsorted(self._keys, self._keys - bound.inner_slots)
        totals = np.concatenate(([0.0], np.cumsum(values)))
        found: _Numbers = totals[:-1] - totals[np.minimum(begin, np.arange(len(begin)))]
        return found

    def reach(self, bound: Bound) -> _Flags:
        """Return for each row whether a window that ends in its slot may reach a bound."""
        reached: _Flags = self.outer(self._table["calls"].astype(np.float64), bound) >= bound.min_calls
        if bound.column is not None:
            values = self.values(bound.column)
            if bound.column.largest:
                # Where the largest call is in the window is not asked: few entities have any so large.
                large = self.groups[values > bound.above]
                return reached & np.isin(self.groups, large)
            least = np.full(len(values), bound.above)
            found = self.outer(values, bound)
            reached &= found > least
            if bound.per is not None:
                reached &= found >= bound.times * self.inner(self.values(bound.per), bound)
        return reached
