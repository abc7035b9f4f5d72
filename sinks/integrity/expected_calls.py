"""What rows of `calls` must hold: columns made of payloads and rates. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from tokentrail.processors.nano_rates import NanoCost, NanoRates, cost_of_usage
from tokentrail.schemas.events import CallCompleted, Usage
from tokentrail.sinks.clickhouse.ledger_block import CLOCK_AHEAD_MS, CLOCK_BEHIND_MS
from tokentrail.sinks.integrity.log_events import microseconds
from tokentrail.sinks.integrity.log_rows import LogRows
from tokentrail.sinks.integrity.stored_texts import holds_map, holds_texts

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
_MOMENTS: Final = ("appended_at", "occurred_at", "clock_suspect", "time")
_COSTS: Final = ("input_cost", "output_cost", "cost_usd")
_OF_RATES: Final = ("currency", "price_source", "price_version")
_MAPS: Final = {"redactions": pa.map_(pa.string(), pa.uint32()), "attributes": pa.map_(pa.string(), pa.string())}
COLUMNS: Final = (
    "kafka_offset", *_MOMENTS, *_TEXTS, "model", *_NUMBERS, *_TOKENS, "finish_reasons", "usage_source", *_MAPS,
    *_COSTS, *_OF_RATES, "rate_id",
)  # fmt: skip
"""What is compared. A column of `calls` that is not here is not checked."""
_MICROS: Final = pa.timestamp("us", "UTC")
_MONEY: Final = pa.decimal128(18, 9)
_NO_USAGE: Final = Usage()
_CALL_FIELDS: Final = CallCompleted.__struct_fields__
Microseconds = np.ndarray[Any, np.dtype[np.int64]]
Texts = list[str | None]


class ExpectedCalls:
    """What each column but `kafka_offset` must hold, by name; `places` are those of the calls among the rows.

    `occurred_us`: the calls' moments, where the caller has them already.
    """

    def __init__(
        self,
        rows: LogRows,
        calls: Sequence[CallCompleted],
        places: Sequence[int],
        rates: Mapping[int, NanoRates],
        occurred_us: Microseconds | None = None,
    ) -> None:
        self._calls = calls
        self._appended_us = np.array([rows.appended_ms[at] for at in places], np.int64) * 1000
        self._occurred_us = microseconds([call.occurred_at for call in calls]) if occurred_us is None else occurred_us
        self._rate_ids = [rows.rate_ids[at] for at in places]
        self._rates = list(map(rates.get, self._rate_ids))

    def columns(self) -> Iterator[tuple[str, pa.Array]]:
        """Return all, in the order of `COLUMNS`."""
        for name in COLUMNS[1:]:
            yield name, self.column(name)

    def column(self, name: str) -> pa.Array:
        """Return one."""
        if name in self._texts:
            return pa.array(self._texts[name](), pa.string()).fill_null("")
        if name in _MAPS:
            return pa.array([list((pairs or {}).items()) for pairs in self._values[name]], _MAPS[name])
        if name in _NUMBERS:
            return pa.array(self._values[name], _NUMBERS[name])
        if name in _TOKENS:
            return pa.array(self._usages[name], pa.uint32())
        return self._rest[name]

    def is_in(self, name: str, stored: pa.Array) -> bool:
        """Whether a column holds just that. False is no proof of the contrary: `column` is the measure then."""
        if name in self._texts:
            return holds_texts(stored, self._texts[name]())
        if name in _MAPS:
            return holds_map(stored, self._values[name])
        expected = self.column(name)
        held: bool = expected.equals(stored if stored.type == expected.type else stored.cast(expected.type, safe=False))
        return held

    @cached_property
    def _texts(self) -> dict[str, Callable[[], Texts]]:
        values = self._values
        return {
            **{name: lambda name=name: values[name] for name in _TEXTS},  # type: ignore[misc] # bound as it is now
            "model": lambda: list(map(_model, values["response_model"], values["request_model"])),
            "usage_source": lambda: values["usage_source"],
            **{name: lambda name=name: self._of_rates(name) for name in _OF_RATES},  # type: ignore[misc] # as above
        }

    @cached_property
    def _values(self) -> dict[str, list[Any]]:
        return _columns_of(self._calls, _CALL_FIELDS)

    @cached_property
    def _usages(self) -> dict[str, list[int | None]]:
        return _columns_of([usage or _NO_USAGE for usage in self._values["usage"]], _TOKENS)

    @cached_property
    def _rest(self) -> dict[str, pa.Array]:
        reasons = [reasons or [] for reasons in self._values["finish_reasons"]]
        costs = list(map(_cost, self._values["usage"], self._rates))
        return {
            **self._moments(),
            "finish_reasons": pa.array(reasons, pa.list_(pa.string())),
            **{name: _nano_money([cost[at] for cost in costs]) for at, name in enumerate(_COSTS)},
            "rate_id": pa.array(self._rate_ids, pa.uint64()),
        }

    def _moments(self) -> dict[str, pa.Array]:
        appended_us, occurred_us = self._appended_us, self._occurred_us
        suspect = (occurred_us > appended_us + CLOCK_AHEAD_MS * 1000) | (
            occurred_us < appended_us - CLOCK_BEHIND_MS * 1000
        )
        return {
            "appended_at": pa.array(appended_us).cast(_MICROS),
            "occurred_at": pa.array(occurred_us).cast(_MICROS),
            "clock_suspect": pa.array(suspect),
            "time": pa.array(np.where(suspect, appended_us, occurred_us)).cast(_MICROS),
        }

    def _of_rates(self, name: str) -> Texts:
        return [getattr(rates, name) if rates else "" for rates in self._rates]


def _columns_of(rows: Sequence[msgspec.Struct], names: Sequence[str]) -> dict[str, list[Any]]:
    """Turn structs into columns: at once, which costs a third of asking each for each field."""
    values = list(chain.from_iterable(map(msgspec.structs.astuple, rows)))
    return {name: values[at :: len(names)] for at, name in enumerate(names)}


def _model(response_model: str | None, request_model: str | None) -> str | None:
    return response_model or request_model


def _cost(usage: Usage | None, rates: NanoRates | None) -> NanoCost | tuple[None, None, None]:
    priced = cost_of_usage(usage, rates) if usage and rates else None
    return priced or (None, None, None)


def _nano_money(nanos: list[int | None]) -> pa.Array:
    # From the bytes: making Decimals of them takes ten times as long as all the rest of a column.
    low = np.array([nano or 0 for nano in nanos], np.int64)
    words = np.empty((len(nanos), 2), np.int64)
    words[:, 0] = low
    words[:, 1] = low >> 63
    valid = pa.array([nano is not None for nano in nanos])
    # A boolean array's own values are a bitmap, which is what marks nulls.
    return pa.Array.from_buffers(_MONEY, len(nanos), [valid.buffers()[1], pa.py_buffer(words.tobytes())])
