"""Compares rows of `calls` with the payloads that they were made of, column by column. Pure."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tokentrail.processors.nano_rates import NanoRates
from tokentrail.processors.sealing import PERSONAL_FIELDS
from tokentrail.schemas.decoding import decode_event
from tokentrail.schemas.events import CallCompleted
from tokentrail.sinks.integrity.expected_calls import COLUMNS, ExpectedCalls
from tokentrail.sinks.integrity.found import Found, What
from tokentrail.sinks.integrity.log_events import LogEvents
from tokentrail.sinks.integrity.log_rows import LogRows, numbers_of

_PERSONAL: Final = frozenset((*PERSONAL_FIELDS, "attributes"))


def check_calls(rows: LogRows, events: LogEvents, calls: pa.Table, rates: Mapping[int, NanoRates]) -> list[Found]:
    """Compare; `calls` has `COLUMNS` and is sorted by offset, `events` are those of the rows, None where left out.

    Of a sealed record the personal columns are left out: what they were made of is not in the payload any more.
    """
    wanted = [at for at, event in enumerate(events.events) if type(event) is CallCompleted]
    offsets = [rows.offsets[at] for at in wanted]
    found: list[Found] = []
    held = numbers_of(calls["kafka_offset"])
    if held != offsets:
        found += _compare_offsets(rows.partition, offsets, held)
        kept = _first_of_each(held)
        calls = calls.take(pa.array([kept[offset] for offset in offsets if offset in kept], pa.int64()))
        wanted = [at for at, offset in zip(wanted, offsets, strict=True) if offset in kept]
    if not wanted:
        return found
    chosen = [events.events[at] for at in wanted]
    expected = ExpectedCalls(rows, chosen, wanted, rates, events.occurred_us[wanted])
    described = _Described(rows, rates, calls)
    for at, names in sorted(_differing(expected, calls).items()):
        place = wanted[at]
        checked = [name for name in names if name not in _PERSONAL] if rows.sealed[place] else names
        if checked:
            found += described.tell(at, place, chosen[at], checked)
    return found


def _differing(expected: ExpectedCalls, calls: pa.Table) -> dict[int, list[str]]:
    """Return the names of columns that differ, by position."""
    differing: dict[int, list[str]] = {}
    for name in COLUMNS[1:]:
        stored = calls[name].combine_chunks()
        if not expected.is_in(name, stored):
            column = expected.column(name)
            for at in _differences(column, stored.cast(column.type, safe=False)):
                differing.setdefault(at, []).append(name)
    return differing


def _compare_offsets(partition: int, offsets: list[int], held: list[int]) -> Iterator[Found]:
    due, stored = set(offsets), set(held)
    for offset in sorted(due - stored):
        yield _found(What.DELETED, partition, offset, "has no row, event_log has the call")
    for offset in sorted(stored - due):
        yield _found(What.ADDED, partition, offset, "has a row, event_log has no such call")
    if len(held) != len(stored):
        seen: set[int] = set()
        for offset in held:
            if offset in seen:
                yield _found(What.ADDED, partition, offset, "stands there twice")
            seen.add(offset)


def _first_of_each(held: list[int]) -> dict[int, int]:
    places: dict[int, int] = {}
    for at, offset in enumerate(held):
        places.setdefault(offset, at)
    return places


class _Described(NamedTuple):
    """Rows that differ, and what they are compared with."""

    rows: LogRows
    rates: Mapping[int, NanoRates]
    calls: pa.Table

    def tell(self, at: int, place: int, call: CallCompleted, names: list[str]) -> Iterator[Found]:
        """Say which columns of a row are wrong, unless they are what the engine makes of a key that stands twice."""
        row = self.calls.slice(at, 1)
        first = _first_values(self.rows.payloads[place])
        other = ExpectedCalls(self.rows, [first], [place], self.rates) if first else None
        own = ExpectedCalls(self.rows, [call], [place], self.rates)
        for name in names:
            mine = own.column(name)
            stored = row[name].cast(mine.type, safe=False).combine_chunks()
            if (other and _same(other.column(name), stored)) or _same(mine, stored):
                continue
            is_, should = stored[0].as_py(), mine[0].as_py()
            detail = f"{name} is {_shown(is_)}, its payload and rates give {_shown(should)}"
            yield _found(What.EDITED, self.rows.partition, self.rows.offsets[place], detail)


def _differences(expected: pa.Array, stored: pa.Array) -> list[int]:
    if pa.types.is_nested(expected.type):
        pairs = zip(expected.to_pylist(), stored.to_pylist(), strict=True)
        return [at for at, (should, is_) in enumerate(pairs) if _plain(should) != _plain(is_)]
    same = pc.equal(expected, stored)
    neither = pc.and_(pc.is_null(expected), pc.is_null(stored))
    return np.flatnonzero(~pc.or_(pc.fill_null(same, False), neither).to_numpy(zero_copy_only=False)).tolist()  # noqa: FBT003  # the value to fill in


def _same(expected: pa.Array, stored: pa.Array) -> bool:
    return bool(_plain(expected[0].as_py()) == _plain(stored[0].as_py()))


def _plain(value: Any) -> Any:
    """Maps are compared without their order."""
    return sorted(value) if isinstance(value, list) and value and isinstance(value[0], tuple) else value


def _shown(value: Any) -> str:
    text = format(value, "f") if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004  # what fits on a line


def _first_values(payload: bytes) -> CallCompleted | None:
    """Read a payload as the engine does: of a key that stands twice, the first value counts."""

    def keep_first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, value in pairs:
            kept.setdefault(name, value)
        return kept

    try:
        event = decode_event(msgspec.json.encode(json.loads(payload, object_pairs_hook=keep_first)))
    except ValueError:
        return None
    return event if isinstance(event, CallCompleted) else None


def _found(what: What, partition: int, offset: int, detail: str) -> Found:
    return Found(what=what, where="calls", partition=partition, offset=offset, detail=detail)
