"""The shim's counts as OpenTelemetry metrics, where the host has OpenTelemetry; nothing is imported for it."""

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from tokentrail.producers.stats import ShimStats

_COUNTERS: Final = {
    "recorded": "events that were numbered, chained and encoded",
    "spooled": "events written to the disk",
    "published": "events acknowledged by Kafka",
}
_BY_REASON: Final = {
    "dropped": ("reason", "events that will never arrive"),
    "faults": ("doing", "what went wrong inside the shims"),
}
_GAUGES: Final = {
    "pending": ("{event}", "events on their way"),
    "spool_bytes": ("By", "size of the spool of this process"),
}


def observe_stats(read: Callable[[], ShimStats], meter: Any = None) -> bool:
    """Offer what `read` returns as `tokentrail.shim.*` to a meter, the host's own without one. False: it has none.

    `read` is called whenever the host collects its metrics, in its thread. What goes wrong there is OpenTelemetry's to
    report.
    """
    metrics: Any = sys.modules.get("opentelemetry.metrics")
    if metrics is None or not hasattr(metrics, "get_meter"):
        return False
    meter = metrics.get_meter("tokentrail") if meter is None else meter
    observation = metrics.Observation

    def one(name: str) -> Callable[[Any], Iterable[Any]]:
        return lambda _options: [observation(getattr(read(), name))]

    def each(name: str, label: str) -> Callable[[Any], Iterable[Any]]:
        return lambda _options: [observation(count, {label: key}) for key, count in getattr(read(), name).items()]

    for name, meaning in _COUNTERS.items():
        meter.create_observable_counter(f"tokentrail.shim.{name}", [one(name)], "{event}", meaning)
    for name, (label, meaning) in _BY_REASON.items():
        meter.create_observable_counter(f"tokentrail.shim.{name}", [each(name, label)], "{event}", meaning)
    for name, (unit, meaning) in _GAUGES.items():
        meter.create_observable_up_down_counter(f"tokentrail.shim.{name}", [one(name)], unit, meaning)
    return True
