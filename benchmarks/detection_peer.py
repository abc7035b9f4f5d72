"""A stream processor tallying the calls of a topic: run by benchmarks/detection.py, each in its own environment.

Every peer gets the same functions: an event is decoded into the few fields that are needed, and becomes one piece, key
and sums, for each view that it belongs to. What is measured is what the peer makes of the pieces: sums per key and
second of event time. None keeps distributions, sets or chains, learns what is usual, or judges.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

STATUSES: Final = (
    "RATE_LIMITED", "AUTH_FAILED", "TIMEOUT", "CONNECTION_ERROR", "SERVER_ERROR", "CLIENT_ERROR", "ABORTED",
)  # fmt: skip
Sums = list[int]
Piece = tuple[str, Sums]


class _Usage(msgspec.Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0


class Event(msgspec.Struct):
    """What tallies need of an event."""

    type: str
    occurred_at: datetime
    producer_id: str = ""
    service: str = ""
    department: str = ""
    feature: str = ""
    user_id: str = ""
    session_id: str = ""
    ip_address: str = ""
    api_key_id: str = ""
    provider: str = ""
    server_address: str = ""
    endpoint: str = ""
    request_model: str = ""
    request_hash: str = ""
    status: str = ""
    retry_count: int = 0
    usage: _Usage | None = None


class View(msgspec.Struct):
    """A grouping of calls and its filter."""

    fields: list[str]
    where: dict[str, list[str]]


decode: Callable[[bytes], Event] = msgspec.json.Decoder(Event).decode


def split(event: Event, views: list[View]) -> Iterator[Piece]:
    """Yield an event's pieces: nothing for what is no completed call."""
    if event.type != "llm.call.completed":
        return
    usage = event.usage or _Usage()
    retry = int(event.retry_count > 0)
    sums = [1, retry, int(event.status != "SUCCESS"), *(int(event.status == status) for status in STATUSES)]
    sums += [usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, 1 - retry]
    for number, view in enumerate(views):
        if all(getattr(event, field) in values for field, values in view.where.items()):
            values = [getattr(event, field) for field in view.fields]
            if all(values):
                yield f"{number}:{'/'.join(values)}", sums


def add(total: Sums, sums: Sums) -> Sums:
    """Add up two pieces of one key."""
    return [a + b for a, b in zip(total, sums, strict=True)]


class Stopwatch:
    """CPU and wall time from the first event to the last."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._seen = 0
        self._began: tuple[float, float] | None = None

    def count(self) -> bool:
        """Take note of an event; true with the last."""
        if self._began is None:
            self._began = (time.process_time(), time.perf_counter())
        self._seen += 1
        return self._seen >= self._events

    def report(self) -> None:
        """Print what it took."""
        cpu, wall = self._began or (0.0, 0.0)
        figures = {"cpu_s": time.process_time() - cpu, "seconds": time.perf_counter() - wall, "events": self._seen}
        print(json.dumps(figures), file=sys.__stdout__, flush=True)  # Faust takes the other for its log


def run_faust(kafka: str, topic: str, events: int, views: list[View]) -> None:
    """Plain Faust: an agent, an event at a time, a windowed table in memory with its changelog in Kafka."""
    import faust  # type: ignore[import-untyped,unused-ignore] # only in this peer's environment

    app = faust.App(
        f"faust-{topic}",
        broker=f"kafka://{kafka}",
        store="memory://",
        value_serializer="raw",
        topic_partitions=8,
        web_enabled=False,
    )
    calls = app.topic(topic, value_type=bytes)
    table = app.Table("tallies", default=list, partitions=8).tumbling(1.0, expires=60.0)
    watch = Stopwatch(events)

    @app.agent(calls)  # type: ignore[untyped-decorator,unused-ignore] # as above
    async def tally(stream: Any) -> None:
        async for payload in stream:
            event = decode(payload)
            for key, sums in split(event, views):
                total = table[key].value()
                table[key] = add(total, sums) if total else sums
            if watch.count():
                watch.report()
                os._exit(0)  # a worker that is asked to stop first leaves its group, and so on, for seconds

    app.finalize()
    faust.Worker(app, loglevel="error").execute_from_commandline()


def run_bytewax(kafka: str, topic: str, events: int, views: list[View]) -> None:
    """Bytewax: a dataflow on one worker, keyed windows in memory, without recovery."""
    from bytewax import operators as op  # type: ignore[import-not-found,unused-ignore] # only in its environment
    from bytewax.connectors.kafka import operators as kop  # type: ignore[import-not-found,unused-ignore] # as above
    from bytewax.dataflow import Dataflow  # type: ignore[import-not-found,unused-ignore] # as above
    from bytewax.operators import windowing  # type: ignore[import-not-found,unused-ignore] # as above
    from bytewax.testing import TestingSink, run_main  # type: ignore[import-not-found,unused-ignore] # as above
    from confluent_kafka import OFFSET_BEGINNING  # type: ignore[import-not-found,unused-ignore] # as above

    watch = Stopwatch(events)

    def spread(message: Any) -> list[tuple[str, tuple[datetime, Sums]]]:
        event = decode(message.value)
        watch.count()
        return [(key, (event.occurred_at, sums)) for key, sums in split(event, views)]

    flow = Dataflow("tally")
    read = kop.input("read", flow, brokers=[kafka], topics=[topic], tail=False, starting_offset=OFFSET_BEGINNING)
    pieces = op.flat_map("spread", read.oks, spread)
    clock = windowing.EventClock(lambda piece: piece[0], wait_for_system_duration=timedelta(seconds=10))
    second = windowing.TumblingWindower(length=timedelta(seconds=1), align_to=datetime(2026, 1, 1, tzinfo=UTC))
    tallies = windowing.reduce_window("tally", pieces, clock, second, lambda a, b: (a[0], add(a[1], b[1])))
    op.output("out", op.map_value("drop", tallies.down, len), TestingSink([]))
    run_main(flow)
    watch.report()


def run_quix(kafka: str, topic: str, events: int, views: list[View]) -> None:
    """Quix Streams: rows spread, grouped by key through a topic of its own, tumbling windows in RocksDB."""
    import tempfile

    from quixstreams import Application  # type: ignore[import-not-found,unused-ignore] # only in its environment

    with tempfile.TemporaryDirectory() as state:
        app = Application(
            broker_address=kafka, consumer_group=f"quix-{topic}", auto_offset_reset="earliest", state_dir=state
        )
        calls = app.topic(
            topic,
            value_deserializer="bytes",
            timestamp_extractor=lambda value, *_: int(decode(value).occurred_at.timestamp() * 1000),
        )
        watch = Stopwatch(events)
        pieces = {"on the way": 0, "read": 0}

        def spread(payload: bytes) -> list[dict[str, Any]]:
            found = [{"key": key, "sums": sums} for key, sums in split(decode(payload), views)]
            pieces["on the way"] += len(found)
            pieces["read"] = int(watch.count())
            return found

        def total(state: dict[str, Any], piece: dict[str, Any]) -> dict[str, Any]:
            return begin({"sums": add(state["sums"], piece["sums"])})

        def begin(piece: dict[str, Any]) -> dict[str, Any]:
            pieces["on the way"] -= 1
            if pieces["read"] and pieces["on the way"] <= 0:
                watch.report()
                os._exit(0)  # as with Faust
            return {"sums": piece["sums"]}

        rows = app.dataframe(calls).apply(spread, expand=True).group_by("key")
        rows.tumbling_window(1000, grace_ms=10_000).reduce(total, begin).final()
        app.run()


PEERS: Final = {"faust": run_faust, "bytewax": run_bytewax, "quix": run_quix}


def main() -> None:
    """Run the peer that is asked for, until it has tallied every event."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--kafka", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--views", type=msgspec.json.Decoder(list[View]).decode, required=True)
    given = parser.parse_args()
    PEERS[given.peer](given.kafka, given.topic, given.events, given.views)


if __name__ == "__main__":
    main()
