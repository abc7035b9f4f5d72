"""What entities take in one watch worker: run by benchmarks/detection.py in a process of its own.

Users, sessions, addresses and keys, as many of each, make calls in some 5-minute windows, some 100,000 of them at a
time; changes are saved as the worker saves them, until all entities have gone cold. Prints one JSON document.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from typing import Final

import psutil

from tokentrail.garbage import collect_rarely
from tokentrail.processors.entity_store import COOL_AFTER, EntityStore
from tokentrail.processors.extras import EXTRAS
from tokentrail.processors.rules import load_rules
from tokentrail.processors.tally_plan import plan_tallies
from tokentrail.processors.watching import PartitionWatch
from tokentrail.schemas.events import CallCompleted, Usage
from tokentrail.schemas.slices import SUMS, Row, Slice

VIEWS: Final = ("user_id", "session_id", "ip_address", "api_key_id")
BATCH: Final = 10_000
BEGIN: Final = 1_800_000_000
PAUSE_S: Final = 300
SAVES: Final = COOL_AFTER // 10
"""Saves a batch: with ten batches, a save that puts what is quiet away."""


def make_row(number: int) -> Row:
    """One successful call."""
    sums = dict.fromkeys(SUMS, 0) | {
        "calls": 1,
        "first_attempts": 1,
        "input_tokens": 500 + number % 1000,
        "output_tokens": 100 + number % 300,
        "cost_nano_usd": 1_000_000 + number % 100_000,
    }
    return Row(tuple(sums.values()), 600 + number % 1000, f"0199c0de-0000-7000-8000-{number:012x}", "")


def measure(entities: int, windows: int) -> dict[str, float]:
    """Feed a watch worker's core, and return what it takes."""
    plan = plan_tallies(load_rules())
    views = plan.frame_views
    table: dict[bytes, bytes] = {}
    store = EntityStore(table, 0)
    watch = PartitionWatch(load_rules(), store)
    collect_rarely()
    empty = psutil.Process().memory_info().rss
    view_numbers = [number for number, view in enumerate(views) if view.name in VIEWS]
    second = BEGIN
    peak = applied = 0
    began = time.process_time()
    for window in range(windows):
        for first in range(0, entities // len(view_numbers), BATCH // len(view_numbers)):
            second += 1
            numbers = range(first, min(first + BATCH // len(view_numbers), entities // len(view_numbers)))
            rows = [make_row(number + window) for number in numbers]
            slices = [
                Slice(second, view, f"{views[view].name}-{number}", row, carry(views[view].extras, number))
                for view in view_numbers
                for row, number in enumerate(numbers)
            ]
            watch.apply(0, 1, second, views, rows, slices)
            applied += len(slices)
            list(watch.advance())
            for _ in range(SAVES):
                save(store, watch)
            peak = max(peak, psutil.Process().memory_info().rss)
        second += PAUSE_S
    took = time.process_time() - began
    for _ in range(2 * COOL_AFTER + 1):
        second += 1
        watch.apply(0, 1, second, views, [], [])
        list(watch.advance())
        save(store, watch)
    stored = sum(len(key) + len(value) for key, value in table.items())
    rss = psutil.Process().memory_info().rss
    return {
        "entities": len(table) - 1,
        "rss_mb": rss >> 20,
        "peak_rss_mb": max(peak, rss) >> 20,
        "rss_bytes_an_entity": round((rss - empty) / (len(table) - 1)),
        "stored_bytes_an_entity": round(stored / (len(table) - 1)),
        "us_an_entity_second": round(took / applied * 1e6, 1),
    }


def carry(extras: tuple[str, ...], number: int) -> tuple[object, ...] | None:
    """What the slice of one call carries: of what these views ask for, an address, or input tokens."""
    return tuple(EXTRAS[name].of_call(make_call(number)) for name in extras) if extras else None


def make_call(number: int) -> CallCompleted:
    """The call that extras are taken from."""
    return CallCompleted(
        schema_version="1.0",
        event_id="e",
        producer_id="p",
        producer_seq=1,
        prev_hash="",
        occurred_at=datetime.fromtimestamp(BEGIN, UTC),
        call_id="c",
        status="SUCCESS",
        ip_address=f"10.0.{number % 200}.{number % 250}",
        usage=Usage(input_tokens=500 + number % 1000),
    )


def save(store: EntityStore, watch: PartitionWatch) -> None:
    """Save as the worker does."""
    if watch.mark is not None:
        store.save(sorted(watch.dirty), watch.mark, 0)
    watch.dirty.clear()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--windows", type=int, default=2, help="5-minute windows in which each makes a call")
    given = parser.parse_args()
    print(json.dumps(measure(given.entities, given.windows)))


if __name__ == "__main__":
    main()
