"""Metrics: what a rule measures, made of the sums and extras of a window. Pure arithmetic."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from tokentrail.schemas.rules import Metric

DERIVED: Final = (
    "lost_calls", "sequence_gaps", "chain_breaks", "new_users", "new_ip_addresses", "new_api_keys", "new_models",
)  # fmt: skip
"""Sums that `watch` itself adds, from what an entity remembers."""
NANO_USD: Final = 1_000_000_000

_UNAVAILABLE: Final = ("timeouts", "connection_errors", "server_errors")
_TOKENS: Final = ("input_tokens", "output_tokens")
_DISTINCT: Final = {
    "distinct_users": "users",
    "distinct_ip_addresses": "ip_addresses",
    "distinct_api_keys": "api_keys",
    "distinct_sessions": "sessions",
    "distinct_models": "models",
}
_NEW: Final = {
    "new_users": "users",
    "new_ip_addresses": "ip_addresses",
    "new_api_keys": "api_keys",
    "new_models": "models",
}
_LINKS: Final = frozenset(("lost_calls", "sequence_gaps", "chain_breaks"))
ERROR_METRICS: Final = frozenset(
    (
        "errors", "rate_limited", "auth_failures", "timeouts", "connection_errors", "server_errors", "client_errors",
        "aborted", "unavailable", "error_ratio", "rate_limited_ratio", "auth_failure_ratio", "unavailable_ratio",
    )
)  # fmt: skip
"""What failed calls are the evidence for."""


class Measure(msgspec.Struct, frozen=True):
    """How a metric is computed.

    `sums`: names of the sums it adds up (an amount, or a ratio's upper part); `per`: the sum it is divided by; `scale`:
    divides the result. `extra`: the extra that holds it instead, of which `quantile` is taken if that is set.
    """

    sums: tuple[str, ...] = ()
    per: str | None = None
    scale: int = 1
    extra: str | None = None
    quantile: float | None = None


_COMPOSED: Final = {
    "unavailable": Measure(_UNAVAILABLE),
    "tokens": Measure(_TOKENS),
    "cost_usd": Measure(("cost_nano_usd",), scale=NANO_USD),
    "error_ratio": Measure(("errors",), "calls"),
    "rate_limited_ratio": Measure(("rate_limited",), "calls"),
    "auth_failure_ratio": Measure(("auth_failures",), "calls"),
    "unavailable_ratio": Measure(_UNAVAILABLE, "calls"),
    "retry_ratio": Measure(("retries",), "calls"),
    "cache_read_ratio": Measure(("cache_read_tokens",), "input_tokens"),
    "tokens_per_call": Measure(_TOKENS, "calls"),
    "largest_call_tokens": Measure(extra="largest"),
    "context_growth_tokens": Measure(extra="growth"),
    **{metric: Measure(extra=extra) for metric, extra in _DISTINCT.items()},
}


def measure_of(metric: Metric) -> Measure:
    """Return how a metric is computed."""
    if metric in _COMPOSED:
        return _COMPOSED[metric]
    if metric.endswith("_ms"):
        source, quantile, _ = metric.rsplit("_", 2)
        return Measure(extra=f"{source}_ms", quantile=int(quantile[1:]) / 100)
    return Measure((metric,))


def extras_of(metric: Metric) -> tuple[str, ...]:
    """Return the extras that slices must carry for a metric, in the names of `tokentrail.processors.extras`."""
    if metric in _NEW:
        return (_NEW[metric],)
    if metric in _LINKS:
        return ("links",)
    extra = measure_of(metric).extra
    return (extra,) if extra and extra != "largest" else ()


def compile_sums(metric: Metric, names: Sequence[str]) -> Callable[[Sequence[int]], float] | None:
    """Return the function from a window's sums, in the order of `names`, to the value; None if extras hold it."""
    measure = measure_of(metric)
    if measure.extra is not None:
        return None
    upper = [names.index(name) for name in measure.sums]
    if measure.per is None:
        scale = measure.scale
        if len(upper) == 1 and scale == 1:
            only = upper[0]
            return lambda sums: float(sums[only])
        return lambda sums: sum(sums[index] for index in upper) / scale
    lower = names.index(measure.per)
    return lambda sums: sum(sums[index] for index in upper) / sums[lower] if sums[lower] else 0.0


def is_amount(metric: Metric) -> bool:
    """Whether a metric grows with the length of its window."""
    measure = measure_of(metric)
    return bool(measure.sums) and measure.per is None


def sums_of(metric: Metric) -> tuple[str, ...]:
    """Return the sums that a metric needs: its own, and last the number of calls."""
    measure = measure_of(metric)
    own = (*measure.sums, *((measure.per,) if measure.per else ()))
    return (*(name for name in own if name != "calls"), "calls")
