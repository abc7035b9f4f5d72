"""Extras: what slices carry that cannot be added up - distributions, sets, chains. Pure.

An extra's values are plain data that msgpack can write. Merging them gives the same bytes for any order and any
grouping: slices of several source partitions come in any order.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

import msgspec

from tokentrail.processors.context_growth import grown_tokens, merge_growth
from tokentrail.processors.distinct import estimate, hash_of, merge_hashes
from tokentrail.processors.latency_sketch import bucket_of, merge_sketches, quantile
from tokentrail.processors.metrics import Measure
from tokentrail.processors.producer_links import merge_links
from tokentrail.schemas.events import CallCompleted


class Extra(msgspec.Struct, frozen=True):
    """How one extra comes about."""

    of_call: Callable[[CallCompleted], Any]
    """The extra of one call alone; None if that call has nothing to say."""
    merge: Callable[[list[Any]], Any]
    """The extra of everything in a list of at least one, none of them None."""


def read_extra(measure: Measure, merged: Any) -> float:
    """Return what a metric measures, from its extra; 0 where no call had any (`merged` is None)."""
    if merged is None:
        return 0.0
    if measure.quantile is not None:
        return quantile(merged, measure.quantile)
    if measure.extra == "growth":
        return float(grown_tokens(merged))
    return estimate(merged)


def _input_tokens(call: CallCompleted) -> int | None:
    usage = call.usage
    return None if usage is None else usage.input_tokens


def _nothing(call: CallCompleted) -> None:  # noqa: ARG001 # the signature of `of_call`
    return None


def _durations(field: str) -> Extra:
    duration_of = attrgetter(field)

    def bucket_of_call(call: CallCompleted) -> int | None:
        duration_ms = duration_of(call)
        return None if duration_ms is None else bucket_of(duration_ms)

    return Extra(bucket_of_call, merge_sketches)


def _hashes(field: str) -> Extra:
    value_of = attrgetter(field)

    def hash_of_call(call: CallCompleted) -> int | None:
        value = value_of(call)
        return hash_of(value) if value else None

    return Extra(hash_of_call, merge_hashes)


EXTRAS: Final[Mapping[str, Extra]] = MappingProxyType(
    {
        "latency_ms": _durations("latency_ms"),
        "time_to_first_token_ms": _durations("time_to_first_token_ms"),
        "users": _hashes("user_id"),
        "ip_addresses": _hashes("ip_address"),
        "api_keys": _hashes("api_key_id"),
        "sessions": _hashes("session_id"),
        "models": _hashes("request_model"),
        "growth": Extra(_input_tokens, merge_growth),
        "links": Extra(_nothing, merge_links),
    }
)
"""By the names of `tokentrail.processors.metrics.extras_of`. Links come of whole events: `producer_links.LinkTally`."""
