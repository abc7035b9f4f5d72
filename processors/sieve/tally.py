"""Sieve tallies: the calls of a log, added up by entity and slot, as far as bounds ask for it. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tokentrail.processors.call_cost import CostMeter
from tokentrail.processors.call_facts import tally_call
from tokentrail.processors.sieve.admission import MAX_REMEMBERED, code_of
from tokentrail.processors.sieve.bounds import SLOT_S, Column, ViewSieve
from tokentrail.processors.views import KeyOf, compile_key
from tokentrail.processors.windows import LARGEST
from tokentrail.schemas.events import CallCompleted
from tokentrail.schemas.slices import SUMS, Row

CHUNK_CALLS: Final = 20_000
"""Calls that are added up at once: some slots of a large log."""

Table = npt.NDArray[Any]
"""One row an entity and slot: `code`, `slot`, `calls`, and a column `c0`, `c1`, … for each of the view's columns."""
Write = Callable[[int, Table], None]
"""Takes a piece of a view's table, by the view's number; pieces may have the same entity and slot."""


def table_type(sieve: ViewSieve) -> np.dtype[Any]:
    """Return the type of a view's table."""
    columns = [(f"c{number}", "<f8") for number in range(len(sieve.columns))]
    return np.dtype([("code", "<u8"), ("slot", "<u4"), ("calls", "<u4"), *columns])


def join_tables(sieve: ViewSieve, tables: Sequence[Table]) -> Table:
    """Return the rows of several tables of a view, by entity and slot, each once."""
    table = np.concatenate(tables) if tables else np.empty(0, table_type(sieve))
    if not len(table):
        return table
    rows = table[np.lexsort((table["slot"], table["code"]))]
    changes = np.ones(len(rows), dtype=np.bool_)
    changes[1:] = (rows["code"][1:] != rows["code"][:-1]) | (rows["slot"][1:] != rows["slot"][:-1])
    starts = np.flatnonzero(changes)
    joined: Table = rows[starts]
    joined["calls"] = np.add.reduceat(rows["calls"], starts, dtype=np.uint32)
    for index, column in enumerate(sieve.columns):
        add = np.maximum if column.largest else np.add
        joined[f"c{index}"] = add.reduceat(rows[f"c{index}"], starts)
    return joined


class SieveTally:
    """Adds up calls: those that slicing counts, each once."""

    def __init__(self, sieves: Sequence[ViewSieve], cost: CostMeter | None, write: Write) -> None:
        self._sieves = sieves
        self._keys = [compile_key(sieve.plan.view) for sieve in sieves]
        self._types = [table_type(sieve) for sieve in sieves]
        self._codes: list[dict[str | None, int]] = [{} for _ in sieves]
        self._cost = cost
        self._write = write
        self._calls: list[CallCompleted] = []
        self.span_s: tuple[int, int] | None = None
        """The first and the last second of any call; None before `flush`."""

    def add(self, calls: Iterable[CallCompleted]) -> None:
        """Take in calls."""
        self._calls += calls
        if len(self._calls) >= CHUNK_CALLS:
            self.flush()

    def flush(self) -> None:
        """Hand on what has been added up."""
        calls, self._calls = self._calls, []
        if not calls:
            return
        seconds = np.array([call.occurred_at.timestamp() for call in calls], dtype=np.float64)
        first, last = int(seconds.min()), int(seconds.max())
        known = self.span_s or (first, last)
        self.span_s = min(first, known[0]), max(last, known[1])
        slots = np.maximum(seconds // SLOT_S, 0).astype(np.uint32)
        columns = _Columns(calls, [tally_call(call, self._cost) for call in calls])
        for number, sieve in enumerate(self._sieves):
            if sieve.is_tallied:
                codes = self._encode(number, self._keys[number], calls)
                self._write(number, self._add_up(number, codes, slots, columns))

    def _encode(self, number: int, key_of: KeyOf, calls: list[CallCompleted]) -> npt.NDArray[np.uint64]:
        codes = self._codes[number]
        if len(codes) > MAX_REMEMBERED:
            codes.clear()
        keys = list(map(key_of, calls))
        for key in set(keys).difference(codes):
            codes[key] = code_of(key) if key else 0
        return np.fromiter(map(codes.__getitem__, keys), dtype=np.uint64, count=len(keys))

    def _add_up(
        self, number: int, codes: npt.NDArray[np.uint64], slots: npt.NDArray[np.uint32], columns: "_Columns"
    ) -> Table:
        order = np.lexsort((slots, codes))
        order = order[np.searchsorted(codes[order], 1) :]  # without those that the view does not look at
        codes, slots = codes[order], slots[order]
        starts = np.flatnonzero(np.diff(codes, prepend=np.uint64(0)) | np.diff(slots, prepend=slots[:1]))
        table = np.empty(len(starts), self._types[number])
        if len(starts):
            table["code"], table["slot"] = codes[starts], slots[starts]
            table["calls"] = np.diff(starts, append=len(order))
            for index, column in enumerate(self._sieves[number].columns):
                add = np.maximum if column.largest else np.add
                table[f"c{index}"] = add.reduceat(columns.of(column)[order], starts)
        return table


class _Columns:
    """Columns of some calls, each made once."""

    def __init__(self, calls: list[CallCompleted], rows: list[Row]) -> None:
        self._calls = calls
        self._rows = rows
        self._sums = np.array([row.sums for row in rows], dtype=np.float64)
        self._made: dict[Column, npt.NDArray[np.float64]] = {}
        self._durations: dict[str, npt.NDArray[np.float64]] = {}

    def of(self, column: Column) -> npt.NDArray[np.float64]:
        """Return a column, in the order of the calls."""
        made = self._made.get(column)
        if made is None:
            make = self._largest if column.largest else self._count if column.duration else self._sum
            made = self._made[column] = make(column)
        return made

    def _sum(self, column: Column) -> npt.NDArray[np.float64]:
        found: npt.NDArray[np.float64] = self._sums[:, [SUMS.index(name) for name in column.sums]].sum(axis=1)
        return found

    def _count(self, column: Column) -> npt.NDArray[np.float64]:
        durations = self._durations.get(column.duration)
        if durations is None:
            found = [getattr(call, column.duration) for call in self._calls]
            durations = np.array([-1.0 if each is None else each for each in found])
            self._durations[column.duration] = durations
        return (durations > column.over).astype(np.float64)

    def _largest(self, column: Column) -> npt.NDArray[np.float64]:
        if column.largest == LARGEST:
            return np.array([row.largest_call_tokens for row in self._rows], dtype=np.float64)
        inputs: npt.NDArray[np.float64] = self._sums[:, SUMS.index("input_tokens")]
        return inputs
