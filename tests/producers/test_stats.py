"""The counts of a process, put together, and offered to OpenTelemetry where the host has it."""

import subprocess
import sys
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.metrics import observe_stats
from tokentrail.producers.publisher import Publisher
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.stats import BusCounts, ShimStats, collect_stats


def test_what_the_parts_have_counted_is_one_object() -> None:
    records: list[Any] = []
    recorders = [Recorder(records.append) for _ in range(2)]
    for recorder in recorders:
        recorder.completed(Call(), Outcome(status="SUCCESS"))
    bus = BusCounts(spooled=2, published=1, pending=1, dropped={"disk_full": 2, "too_old": 0}, last_error="away")

    stats = collect_stats([recorder.stats() for recorder in recorders], bus, {"overloaded": 4}, {"publishing": 1})

    assert stats == ShimStats(
        recorded=2,
        spooled=2,
        published=1,
        pending=1,
        dropped={"disk_full": 2, "overloaded": 4},
        faults={"publishing": 1},
        last_error="away",
    )


def test_a_bus_in_memory_counts_as_the_others_do() -> None:
    publisher = Publisher("127.0.0.1:1", "llm.calls", max_records=2)
    recorder = Recorder(publisher.append)
    for _ in range(5):
        recorder.started(Call())
    counts = publisher.counts()
    publisher.close(0)

    assert counts.pending + counts.dropped["queue_full_records"] == 5
    assert counts.published == 0


def test_opentelemetry_collects_what_is_counted_by_then() -> None:
    stats = ShimStats(recorded=1)
    reader = InMemoryMetricReader()
    # A provider of its own: the global one may have been given this process's own counts by now.
    assert observe_stats(lambda: stats, MeterProvider([reader]).get_meter("tokentrail"))
    stats = ShimStats(recorded=7, pending=3, dropped={"disk_full": 2, "too_old": 1}, spool_bytes=99)

    collected = reader.get_metrics_data()

    assert collected is not None
    found: dict[str, Any] = {}
    for metric in collected.resource_metrics[0].scope_metrics[0].metrics:
        points = metric.data.data_points
        found[metric.name] = {str(dict(point.attributes or {}).get("reason", "")): _value(point) for point in points}
    assert found["tokentrail.shim.recorded"] == {"": 7}
    assert found["tokentrail.shim.pending"] == {"": 3}
    assert found["tokentrail.shim.spool_bytes"] == {"": 99}
    assert found["tokentrail.shim.dropped"] == {"disk_full": 2, "too_old": 1}


def _value(point: Any) -> Any:
    return point.value


def test_a_host_without_opentelemetry_is_not_made_to_import_it() -> None:
    program = """
import sys
from tokentrail.producers.metrics import observe_stats
from tokentrail.producers.stats import ShimStats
assert not observe_stats(ShimStats)
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
