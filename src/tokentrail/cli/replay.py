"""`tokentrail replay`: the alerts that rules would have raised over a stretch of the archive."""

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.alerts import print_alert
from tokentrail.cli.moments import parse_moment
from tokentrail.cli.output import JsonFlag, err, print_json_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokentrail.processors.replay import Replay
    from tokentrail.processors.slicing import RecordBatch
    from tokentrail.schemas.alerts import Alert
    from tokentrail.settings import Settings


def replay(
    since: Annotated[str, typer.Option("--from", help="From then: 90m, 24h, 7d ago, or an ISO time.")],
    until: Annotated[str, typer.Option("--to", help="Up to then.")] = "0s",
    rules: Annotated[Path | None, typer.Option(help="A rule file to try, in place of the active rules.")] = None,
    warm_up: Annotated[str, typer.Option(help="Learn baselines for so long before --from.")] = "1h",
    as_json: JsonFlag = False,
) -> None:
    """Run rules over the archive with the same code as live detection, and print the alerts; nothing is written."""
    from tokentrail.settings import current_settings

    settings = current_settings()
    begin, end = parse_moment(since), parse_moment(until)
    if begin >= end:
        raise typer.BadParameter("--from must be before --to.")
    started = time.perf_counter()
    told, records, late = 0, 0, 0
    run = _Run(settings, rules, parse_moment(warm_up, now=begin), end)
    for alert in run.alerts():
        if alert.occurred_at < begin:
            continue
        told += 1
        if as_json:
            print_json_line(alert)
        else:
            print_alert(alert)
    if run.replay is not None:
        counts = run.replay.counts()
        records, late = counts.records, counts.late
    seconds = time.perf_counter() - started
    err.print(f"{records:,} records in {seconds:.1f} s: {told} state changes, {late:,} records late.")


class _Run:
    """One replay over the archive; `replay` is there once the archive has given its first record."""

    def __init__(self, settings: "Settings", rules: Path | None, begin: datetime, end: datetime) -> None:
        self.replay: Replay | None = None
        self._settings = settings
        self._rules = rules or settings.rules
        self._begin = begin
        self._end = end

    def alerts(self) -> "Iterator[Alert]":
        from tokentrail.processors.replay import Replay
        from tokentrail.processors.rules import load_rules
        from tokentrail.sinks.clickhouse.event_log import list_partitions

        rules = load_rules(self._rules)
        partitions = list_partitions(self._settings, self._begin, self._end)
        if not partitions:
            return
        self.replay = Replay(rules, partitions, self._settings.allowed_lateness_ms)
        yield from self.replay.run(self._batches(), self._end)

    def _batches(self) -> "Iterator[RecordBatch]":
        from tokentrail.processors.slicing import RecordBatch
        from tokentrail.sinks.clickhouse.event_log import read_event_log

        for batch in read_event_log(self._settings, self._begin, self._end):
            yield RecordBatch(batch.kafka_partition, batch.offsets, batch.appended_ms, batch.payloads)
