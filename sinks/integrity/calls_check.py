"""Compares rows of `calls` with the payloads that they were made of, column by column. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tokentrail.processors.nano_rates import NanoCost, NanoRates, cost_of_usage
from tokentrail.processors.sealing import PERSONAL_FIELDS
from tokentrail.schemas.decoding import decode_event
from tokentrail.schemas.events import CallCompleted, Usage
from tokentrail.sinks.clickhouse.ledger_block import CLOCK_AHEAD_MS, CLOCK_BEHIND_MS, storable
from tokentrail.sinks.integrity.found import Found, What
from tokentrail.sinks.integrity.log_rows import LogRows

_TEXTS: Final = (
    "event_id", "producer_id", "call_id", "logical_call_id", "provider_request_id", "trace_id", "span_id", "service",
    "environment", "department", "feature", "session_id", "user_id", "request_source", "ip_address", "user_agent",
    "api_key_id", "api_key_hint", "auth_method", "auth_result", "provider", "server_address", "endpoint", "http_method",
    "operation", "request_model", "response_model", "service_tier", "status", "error_type", "error_code",
    "error_message", "request_hash", "response_hash",
)  # fmt: skip
_NUMBERS: Final = {
    "producer_seq": pa.uint64(), "stream": pa.bool_(), "temperature": pa.float64(), "max_tokens": pa.uint32(),
    "http_status_code": pa.uint16(), "retry_count": pa.uint32(), "latency_ms": pa.float64(),
    "time_to_first_token_ms": pa.float64(), "queue_time_ms": pa.float64(),
}  # fmt: skip
_TOKENS: Final = Usage.__struct_fields__
_MICROS: Final = pa.timestamp("us", "UTC")
_MAP_OF_COUNTS: Final = pa.map_(pa.string(), pa.uint32())
_MAP_OF_TEXTS: Final = pa.map_(pa.string(), pa.string())
_MONEY: Final = pa.decimal128(18, 9)
_NO_USAGE: Final = Usage()

_PERSONAL: Final = frozenset((*PERSONAL_FIELDS, "attributes"))

COLUMNS: Final = (
    "kafka_offset", "appended_at", "occurred_at", "clock_suspect", "time", *_TEXTS, "model", *_NUMBERS, *_TOKENS,
    "finish_reasons", "usage_source", "redactions", "attributes", "input_cost", "output_cost", "cost_usd", "currency",
    "price_source", "price_version", "rate_id",
)  # fmt: skip
"""What is compared. A column of `calls` that is not here is not checked."""


def check_calls(rows: LogRows, events: Sequence[Any], calls: pa.Table, rates: Mapping[int, NanoRates]) -> list[Found]:
    """Compare; `calls` has `COLUMNS` and is sorted by offset, `events` are those of the rows, None where left out.

    Of a sealed record the personal columns are left out: what they were made of is not in the payload any more.
    """
    wanted = [at for at, event in enumerate(events) if type(event) is CallCompleted]
    offsets = [rows.offsets[at] for at in wanted]
    found: list[Found] = []
    held = calls["kafka_offset"].to_pylist()
    if held != offsets:
        found += _compare_offsets(rows.partition, offsets, held)
        kept = _first_of_each(held)
        calls = calls.take(pa.array([kept[offset] for offset in offsets if offset in kept], pa.int64()))
        wanted = [at for at, offset in zip(wanted, offsets, strict=True) if offset in kept]
    if not wanted:
        return found
    expected = _Expected(rows, [events[at] for at in wanted], wanted, rates)
    differing: dict[int, list[str]] = {}
    for name, column in expected.columns():
        stored = calls[name].cast(column.type, safe=False).combine_chunks()
        if not column.equals(stored):
            for at in _differences(column, stored):
                differing.setdefault(at, []).append(name)
    for at, names in sorted(differing.items()):
        place = wanted[at]
        checked = [name for name in names if name not in _PERSONAL] if rows.sealed[place] else names
        found += expected.describe(at, checked, rows.payloads[place], calls)
    return found


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


class _Expected:
    """What the columns must hold."""

    def __init__(
        self, rows: LogRows, calls: list[CallCompleted], places: list[int], rates: Mapping[int, NanoRates]
    ) -> None:
        self._rows = rows
        self._calls = calls
        self._places = places
        self._rate_ids = [rows.rate_ids[at] for at in places]
        self._rates = list(map(rates.get, self._rate_ids))

    def columns(self) -> Iterator[tuple[str, pa.Array]]:
        calls = self._calls
        yield from self._moments()
        for name in _TEXTS:
            yield name, _column(name, calls, pa.string()).fill_null("")
        yield "model", pa.array([call.response_model or call.request_model or "" for call in calls], pa.string())
        for name, kind in _NUMBERS.items():
            yield name, _column(name, calls, kind)
        usages = [call.usage or _NO_USAGE for call in calls]
        for name in _TOKENS:
            yield name, _column(name, usages, pa.uint32())
        yield "usage_source", pa.array([call.usage_source.value for call in calls], pa.string())
        yield "finish_reasons", pa.array([call.finish_reasons or [] for call in calls], pa.list_(pa.string()))
        yield "redactions", pa.array([list((call.redactions or {}).items()) for call in calls], _MAP_OF_COUNTS)
        yield "attributes", pa.array([list((call.attributes or {}).items()) for call in calls], _MAP_OF_TEXTS)
        yield from self._money()

    def _moments(self) -> Iterator[tuple[str, pa.Array]]:
        appended_us = np.array([self._rows.appended_ms[at] for at in self._places], np.int64) * 1000
        occurred = pa.array([storable(call.occurred_at) for call in self._calls], _MICROS)
        occurred_us = occurred.cast(pa.int64()).to_numpy(zero_copy_only=False)
        suspect = (occurred_us > appended_us + CLOCK_AHEAD_MS * 1000) | (
            occurred_us < appended_us - CLOCK_BEHIND_MS * 1000
        )
        yield "appended_at", pa.array(appended_us).cast(_MICROS)
        yield "occurred_at", occurred
        yield "clock_suspect", pa.array(suspect)
        yield "time", pa.array(np.where(suspect, appended_us, occurred_us)).cast(_MICROS)

    def _money(self) -> Iterator[tuple[str, pa.Array]]:
        costs = [_costs(call.usage, rates) for call, rates in zip(self._calls, self._rates, strict=True)]
        for at, name in enumerate(("input_cost", "output_cost", "cost_usd")):
            yield name, _nano_money([cost[at] for cost in costs])
        for name in ("currency", "price_source", "price_version"):
            yield name, pa.array([getattr(rates, name) if rates else "" for rates in self._rates], pa.string())
        yield "rate_id", pa.array(self._rate_ids, pa.uint64())

    def describe(self, at: int, names: list[str], payload: bytes, calls: pa.Table) -> Iterator[Found]:
        """Say which columns of a row are wrong, unless they are what the engine makes of a key that stands twice."""
        place, rates = self._places[at], self._rates[at]
        book = {self._rate_ids[at]: rates} if rates else {}
        row = calls.slice(at, 1)
        first = _first_values(payload)
        other = _Expected(self._rows, [first], [place], book) if first else None
        lenient = dict(other.columns()) if other else {}
        mine = dict(_Expected(self._rows, [self._calls[at]], [place], book).columns())
        for name in names:
            stored = row[name].cast(mine[name].type, safe=False).combine_chunks()
            if name in lenient and _same(lenient[name], stored):
                continue
            is_, should = stored[0].as_py(), mine[name][0].as_py()
            if _same(mine[name], stored):
                continue
            detail = f"{name} is {_shown(is_)}, its payload and rates give {_shown(should)}"
            yield _found(What.EDITED, self._rows.partition, self._rows.offsets[place], detail)


def _costs(usage: Usage | None, rates: NanoRates | None) -> NanoCost | tuple[None, None, None]:
    priced = cost_of_usage(usage, rates) if usage and rates else None
    return priced or (None, None, None)


def _column(name: str, rows: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(list(map(attrgetter(name), rows)), kind)


def _nano_money(nanos: list[int | None]) -> pa.Array:
    # From the bytes: making Decimals of them takes ten times as long as all the rest of a column.
    low = np.array([nano or 0 for nano in nanos], np.int64)
    words = np.empty((len(nanos), 2), np.int64)
    words[:, 0] = low
    words[:, 1] = low >> 63
    valid = pa.array([nano is not None for nano in nanos])
    # A boolean array's own values are a bitmap, which is what marks nulls.
    return pa.Array.from_buffers(_MONEY, len(nanos), [valid.buffers()[1], pa.py_buffer(words.tobytes())])


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
