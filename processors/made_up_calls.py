"""Made-up calls: the events of a rule test, evenly spread in time, with every producer's chain intact unless wished."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from heapq import merge
from typing import Any, Final

import msgspec

from tokentrail.errors import RuleError
from tokentrail.schemas.events import GENESIS_HASH, CallCompleted, CallStarted, Usage, UsageSource
from tokentrail.schemas.rule_tests import CallSeries

ARRIVES_AFTER_MS: Final = 50
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_UNITS_S: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DAY_S: Final = 86_400
_OF_USAGE: Final = frozenset(Usage.__struct_fields__)
_OF_CALL: Final = frozenset(CallCompleted.__struct_fields__) - {"usage"}
_STARTED: Final = frozenset(CallStarted.__struct_fields__)
_DEFAULTS: Final[dict[str, Any]] = {
    "status": "SUCCESS",
    "provider": "openai",
    "server_address": "api.openai.com",
    "endpoint": "/v1/chat/completions",
    "request_model": "gpt-4o-mini",
    "service": "service-1",
    "producer_id": "producer-1",
    "latency_ms": 1000.0,
}
_USAGE_DEFAULTS: Final = {"input_tokens": 500, "output_tokens": 100}

_MadeEvent = tuple[float, int, int, CallSeries]
"""Second, series, number within it, the series itself."""


class MadeUp(msgspec.Struct, frozen=True):
    """One record: the event, the hash of its bytes, and when Kafka had it."""

    event: CallCompleted | CallStarted
    sha256_hex: str
    arrived_ms: int


def parse_span(text: str) -> float:
    """Return the seconds of a span such as `90s`, `2h` or `1d12h`; the schema has checked how it is written."""
    return float(sum(float(count) * _UNITS_S[unit] for count, unit in _PART.findall(text)))


def make_calls(series: Sequence[CallSeries], start: datetime) -> Iterator[MadeUp]:
    """Yield the records of all series in the order of their arrival.

    Raises:
        RuleError: a series has a field that no call has, or a value that the field cannot have.
    """
    for one in series:
        _check_fields(one)
    producers: dict[str, tuple[int, str]] = {}
    for second, index, number, one in merge(*(_moments(index, one) for index, one in enumerate(series))):
        yield from _record(producers, one, start, second, f"{index + 1}-{number}", number)


def _moments(index: int, series: CallSeries) -> Iterator[_MadeEvent]:
    begin = parse_span(series.begin)
    if series.to is None:
        yield begin, index, 1, series
        return
    end, step = parse_span(series.to), 60 / series.per_minute
    hours = [parse_span(hour) for hour in series.daily] or [0, _DAY_S]
    number = 0
    for slot in range(int((end - begin) / step + 1e-9)):
        second = begin + slot * step
        if hours[0] <= second % _DAY_S < hours[1]:
            number += 1
            yield second, index, number, series


def _record(  # noqa: PLR0913, PLR0917 - where one call stands
    producers: dict[str, tuple[int, str]], series: CallSeries, start: datetime, second: float, name: str, number: int
) -> Iterator[MadeUp]:
    values = _values(series, number)
    producer = values["producer_id"]
    seq, previous = producers.get(producer, (0, GENESIS_HASH))
    at = start + timedelta(seconds=second)
    shown = at - timedelta(seconds=parse_span(series.clock_off)) if series.clock_off else at
    sha256_hex = hashlib.sha256(f"{producer} {seq + 1}".encode()).hexdigest()
    producers[producer] = (seq + 1, sha256_hex)
    if series.fate == "missing":
        return
    values.update(
        schema_version="1.0",
        event_id=f"event-{name}",
        call_id=f"call-{name}",
        producer_seq=seq + 1,
        prev_hash=hashlib.sha256(b"altered").hexdigest() if series.fate == "altered" and seq else previous,
        occurred_at=shown.astimezone(UTC),
    )
    kind: type[CallStarted | CallCompleted] = CallCompleted
    if series.fate == "never_ended":
        kind, values = CallStarted, {field: value for field, value in values.items() if field in _STARTED}
    yield MadeUp(kind(**values), sha256_hex, int(at.timestamp() * 1000) + ARRIVES_AFTER_MS)


def _values(series: CallSeries, number: int) -> dict[str, Any]:
    shown = str((number - 1) % series.cycle + 1 if series.cycle else number)
    fields = {
        field: value.replace("{n}", shown) if isinstance(value, str) else value
        for field, value in series.fields.items()
    }
    for field, step in series.grow.items():
        grown = series.fields.get(field, 0)
        fields[field] = type(grown)(grown + step * (number - 1)) if isinstance(grown, int | float) else grown
    usage = {**_USAGE_DEFAULTS, **{field: value for field, value in fields.items() if field in _OF_USAGE}}
    values = {**_DEFAULTS, **{field: value for field, value in fields.items() if field not in _OF_USAGE}}
    if values["status"] != "SUCCESS" and not any(field in _OF_USAGE for field in fields):
        return values
    return {**values, "usage": msgspec.convert(usage, Usage), "usage_source": UsageSource.PROVIDER}


def _check_fields(series: CallSeries) -> None:
    named = f"calls {series.name!r}" if series.name else "calls"
    for field in (*series.fields, *series.grow):
        if field not in _OF_CALL and field not in _OF_USAGE:
            raise RuleError(f"{named}: a call has no field {field!r}; see docs/emit.md for those it has.")
    try:
        msgspec.convert(series.fields, msgspec.defstruct("Fields", _typed_fields(series)))
    except msgspec.ValidationError as error:
        raise RuleError(f"{named}: {error}.") from error


def _typed_fields(series: CallSeries) -> list[tuple[str, Any]]:
    known = {field.name: field.type for kind in (CallCompleted, Usage) for field in msgspec.structs.fields(kind)}
    return [(field, known[field]) for field in series.fields]
