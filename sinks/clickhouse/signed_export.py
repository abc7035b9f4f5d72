"""Exports a stretch of the log for an auditor: whole checkpoints, in one signed file. Blocking."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tokentrail.errors import LedgerError
from tokentrail.schemas.topics import CALLS
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.integrity_tables import IntegrityTables
from tokentrail.sinks.integrity.checkpoint_chain import FILE, TABLE, CheckedCheckpoint, check_chain
from tokentrail.sinks.integrity.checkpoint_file import CheckpointFile
from tokentrail.sinks.integrity.covered_rows import cover_rows
from tokentrail.sinks.integrity.export_file import Asked, ExportWriter, Manifest
from tokentrail.sinks.integrity.log_rows import LogRows
from tokentrail.sinks.integrity.log_walk import ErasedRows
from tokentrail.sinks.integrity.signing_keys import SigningKey
from tokentrail.sinks.integrity.verification import check_rates


def export_signed(
    settings: Settings, key: SigningKey, path: Path, since: datetime | None, until: datetime | None
) -> Manifest:
    """Write what the checkpoints made from `since` until the first one behind `until` signed.

    Raises:
        LedgerError: no checkpoint lies there, or a record was emptied without a receipt.
        EngineError: the engine cannot be reached or refuses.
        OSError: the file cannot be written.
    """
    tables = IntegrityTables(settings)
    topic = settings.topic(CALLS.name)
    try:
        copies = {FILE: CheckpointFile(settings.checkpoints).read(), TABLE: tables.checkpoints()}
        checkpoints = _within(check_chain(copies, [key.public], topic).checkpoints, since, until)
        if not checkpoints:
            raise LedgerError(
                "No checkpoint of this key was made in that time; make one with `tokentrail checkpoint`, or ask for "
                "another time."
            )
        rates = check_rates(tables.rates()).contents
        database = settings.clickhouse_database
        erased = cover_rows(tables.receipts(), tables.erased_rows(), [key.public], database).by_partition
        used: set[int] = set()
        with ExportWriter(path) as writer:
            for partition, first, end in _stretches(checkpoints):
                writer.write_records(partition, _read(tables, _Part(partition, first, end), used, erased))
            applied = {rate_id: rates[rate_id] for rate_id in used if rate_id in rates}
            return writer.finish(key, checkpoints, applied, Asked(since, until, datetime.now(UTC)))
    finally:
        tables.close()


def _within(
    checkpoints: list[CheckedCheckpoint], since: datetime | None, until: datetime | None
) -> list[CheckedCheckpoint]:
    chosen = [one for one in checkpoints if since is None or one.content.made_at >= since]
    if until is None:
        return chosen
    behind = sum(one.content.made_at < until for one in chosen)
    return chosen[: behind + 1]


def _stretches(checkpoints: list[CheckedCheckpoint]) -> Iterator[tuple[int, int, int]]:
    firsts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for checked in checkpoints:
        for one in checked.content.ranges:
            firsts.setdefault(one.partition, one.first_offset)
            ends[one.partition] = one.next_offset
    for partition, end in sorted(ends.items()):
        if end > firsts[partition]:
            yield partition, firsts[partition], end


class _Part(NamedTuple):
    partition: int
    first_offset: int
    next_offset: int


def _read(tables: IntegrityTables, part: _Part, used: set[int], erased: Mapping[int, ErasedRows]) -> Iterator[LogRows]:
    may_stand = erased.get(part.partition, {})
    for rows in tables.log_rows(part.partition, part.first_offset, part.next_offset - 1):
        for offset, cleaned in zip(rows.offsets, rows.cleaned, strict=True):
            if cleaned and cleaned not in may_stand.get(offset, ()):
                raise LedgerError(
                    f"event_log partition {part.partition} offset {offset} is marked as erased, and no receipt that "
                    "this key signed says so: `tokentrail verify` shows what else is wrong."
                )
        used.update(rows.rate_ids)
        yield rows
