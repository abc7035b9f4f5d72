"""Verifies a ledger: checkpoints, log, calls and rates against each other. Pure but for what a `LedgerCopy` reads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import pyarrow as pa

from tokentrail.processors.nano_rates import NanoRates, scale_rates
from tokentrail.sinks.clickhouse.rate_rows import rates_of_row
from tokentrail.sinks.integrity.calls_check import check_calls
from tokentrail.sinks.integrity.checkpoint_chain import CheckedCheckpoint
from tokentrail.sinks.integrity.found import Found, What
from tokentrail.sinks.integrity.log_rows import read_rows
from tokentrail.sinks.integrity.log_walk import ErasedRows, LogWalk, SignedRange, WalkReport
from tokentrail.sinks.integrity.producer_chains import check_beginnings
from tokentrail.sinks.integrity.range_tally import rate_content

RATE_COLUMNS: Final = (
    "rate_id", "price_source", "price_version", "currency", "provider", "model", "service_tier", "input", "cache_read",
    "cache_write_5m", "cache_write_1h", "input_audio", "output", "output_audio", "reasoning", "request",
    "cached_audio_apart", "above_input_tokens", "listed_source", "listed_version", "listed_currency", "exchange_rate",
    "discount_percent", "listed_rates",
)  # fmt: skip
"""What a checkpoint signs of `model_rates`."""


class Batch(NamedTuple):
    """Rows of event_log of one partition, and the rows of calls of the same stretch of offsets, both by offset."""

    log: pa.Table
    calls: pa.Table


class RateBook(NamedTuple):
    """The rows of `model_rates`."""

    contents: dict[int, bytes]
    ready: dict[int, NanoRates]
    found: list[Found]


class Stretch(NamedTuple):
    """What is walked of a partition."""

    partition: int
    first_offset: int
    ranges: list[SignedRange]
    from_beginning: bool


def check_rates(rows: Iterable[Mapping[str, Any]]) -> RateBook:
    """Check that each row is named by its content, and make all ready."""
    book = RateBook({}, {}, [])

    def tell(rate_id: int, detail: str) -> None:
        book.found.append(Found(what=What.EDITED, where="model_rates", detail=f"rate_id {rate_id} {detail}"))

    for row in rows:
        rate_id, rates = row["rate_id"], rates_of_row(row)
        signed = {name: row[name] for name in RATE_COLUMNS}
        content = rate_content(signed)
        if book.contents.get(rate_id, content) != content:
            tell(rate_id, "stands there with different content")
        elif msgspec.structs.replace(rates).rate_id != rate_id:
            tell(rate_id, "does not name the content of its row")
        book.contents[rate_id] = content
        book.ready[rate_id] = scale_rates(rates)
    return book


def plan_walk(
    checkpoints: Sequence[CheckedCheckpoint], partitions: Iterable[int], since: datetime | None
) -> list[Stretch]:
    """Return what to walk: everything, or what was signed behind the last checkpoint that was made before `since`."""
    begin = 0
    if since is not None:
        begin = sum(1 for one in checkpoints if one.content.made_at < since)
    before = {one.partition: one.next_offset for one in checkpoints[begin - 1].content.ranges} if begin else {}
    ranges: dict[int, list[SignedRange]] = {partition: [] for partition in (*partitions, *before)}
    for checked in checkpoints[begin:]:
        for one in checked.content.ranges:
            ranges.setdefault(one.partition, []).append(SignedRange(checked.content.number, one))
    return [
        Stretch(
            partition,
            signed[0].range.first_offset if signed else before.get(partition, 0),
            signed,
            from_beginning=partition not in before or before[partition] == 0,
        )
        for partition, signed in sorted(ranges.items())
    ]


class PartitionWalk:
    """Checks one partition's log against its ranges, and its calls against its log, batch by batch."""

    def __init__(self, stretch: Stretch, rates: RateBook, erased: ErasedRows | None = None) -> None:
        self._partition = stretch.partition
        self._rates = rates
        self._walk = LogWalk(
            stretch.partition, stretch.ranges, rates.contents, erased or {}, from_beginning=stretch.from_beginning
        )

    def add(self, batch: Batch) -> None:
        """Take in the next offsets."""
        rows = read_rows(self._partition, batch.log)
        events = self._walk.add(rows)
        self._walk.tell(check_calls(rows, events, batch.calls, self._rates.ready))

    def finish(self) -> WalkReport:
        """Say what was found."""
        return self._walk.finish()


class KafkaEnds(msgspec.Struct, frozen=True):
    """What Kafka knows of the log's length, by partition; empty where it was not asked."""

    committed: dict[int, int] = {}
    """Up to where the ledger told Kafka that it has everything; the record at that offset is not included."""
    ends: dict[int, int] = {}
    """The offset that Kafka gives the next record; asked for after the log's own end."""


def check_ends(kafka: KafkaEnds, last_offsets: Mapping[int, int]) -> Iterator[Found]:
    """Compare the log's last offsets, -1 without any, with what Kafka knows."""
    for partition, committed in sorted(kafka.committed.items()):
        last = last_offsets.get(partition, -1)
        if last < committed - 1:
            detail = "is missing; the ledger has told Kafka that it wrote it"
            yield _stretch_found(What.CUT_OFF, partition, last + 1, committed - 1, detail)
    for partition, end in sorted(kafka.ends.items()):
        last = last_offsets.get(partition, -1)
        if last >= end:
            yield _stretch_found(What.ADDED, partition, end, last, "Kafka never gave out this offset")


def _stretch_found(what: What, partition: int, first: int, last: int, detail: str) -> Found:
    return Found(what=what, where="event_log", partition=partition, offset=first, last_offset=last, detail=detail)


class Verdict(msgspec.Struct, frozen=True):
    """What a verification says in the end."""

    records: int
    unsigned: int
    checkpoints: int
    findings: list[Found]
    notes: list[Found]
    untold: int
    """Findings that are not listed, because there were too many."""

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and not self.untold


def conclude(
    reports: Sequence[WalkReport], checkpoints: Sequence[CheckedCheckpoint], found: Sequence[Found]
) -> Verdict:
    """Put together what was found everywhere."""
    everything = [*found, *(one for report in reports for one in report.found)]
    heads = {report.partition: report.heads for report in reports}
    signed_ends: dict[int, int] = {}
    for checked in checkpoints:
        signed_ends.update({one.partition: one.next_offset for one in checked.content.ranges})
    for gap in check_beginnings([one for report in reports for one in report.beginnings], heads):
        vouched = (gap.offset or 0) < signed_ends.get(gap.partition or 0, 0)
        everything.append(msgspec.structs.replace(gap, note=vouched))
    for report in reports:
        if report.unsigned:
            detail = f"{report.unsigned} records behind the last checkpoint are vouched for by their chains alone"
            note = Found(what=What.UNSIGNED, where="event_log", partition=report.partition, detail=detail, note=True)
            everything.append(note)
    return Verdict(
        records=sum(report.records for report in reports),
        unsigned=sum(report.unsigned for report in reports),
        checkpoints=len(checkpoints),
        findings=[one for one in everything if not one.note],
        notes=[one for one in everything if one.note],
        untold=sum(report.untold for report in reports),
    )
