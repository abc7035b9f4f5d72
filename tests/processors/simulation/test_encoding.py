"""Simulated records are what shims would have published: their bytes, their chain, and the lines that keep both."""

import gzip
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest
from traffic_survey import START

from tokentrail.processors.file_log import FileLog
from tokentrail.processors.simulation.encoding import encode_records
from tokentrail.processors.simulation.events import CallEvent  # noqa: TC001 - casts read better with the name
from tokentrail.processors.simulation.record_lines import write_lines
from tokentrail.processors.simulation.simulation import Simulation
from tokentrail.processors.slicing import EventBatch, RecordBatch
from tokentrail.schemas.decoding import Rejected, decode_event
from tokentrail.schemas.events import GENESIS_HASH


@pytest.fixture(scope="module")
def simulated() -> list[EventBatch]:
    """Half a day, in which events are lost on the way."""
    return list(Simulation(15, start=START, days=0.5, calls_per_day=12_000, kinds=["lost_calls"]).batches())


@pytest.fixture(scope="module")
def encoded(simulated: list[EventBatch]) -> list[RecordBatch]:
    return list(encode_records(simulated))


def test_every_payload_is_the_event_but_for_its_link(simulated: list[EventBatch], encoded: list[RecordBatch]) -> None:
    for batch, records in zip(simulated, encoded, strict=True):
        assert (batch.partition, batch.offsets, batch.timestamps_ms) == (
            records.partition, records.offsets, records.timestamps_ms,
        )  # fmt: skip
        for event, payload in zip(cast("list[CallEvent]", batch.events), records.payloads, strict=True):
            read = decode_event(payload)
            assert not isinstance(read, Rejected)
            assert (read.call_id, read.occurred_at, read.producer_seq) == (  # type: ignore[union-attr]  # calls alone are simulated
                event.call_id, event.occurred_at, event.producer_seq,
            )  # fmt: skip


def test_true_hashes_link_where_the_stand_ins_link(simulated: list[EventBatch], encoded: list[RecordBatch]) -> None:
    stand_ins: dict[str, str] = {}
    digests: dict[str, str] = {}
    linked = broken = 0
    for batch, records in zip(simulated, encoded, strict=True):
        rows = zip(cast("list[CallEvent]", batch.events), batch.hashes, records.payloads, strict=True)
        for event, stand_in, payload in rows:
            meant = event.prev_hash == stand_ins.get(event.producer_id, GENESIS_HASH)
            read = cast("CallEvent", decode_event(payload))
            assert (read.prev_hash == digests.get(event.producer_id, GENESIS_HASH)) == meant
            linked, broken = linked + meant, broken + (not meant)
            stand_ins[event.producer_id] = stand_in
            digests[event.producer_id] = sha256(payload or b"").hexdigest()
    assert linked > 20 * broken > 0


@pytest.mark.parametrize("name", ["records.jsonl", "records.jsonl.gz"])
def test_a_file_reads_back_as_it_was(tmp_path: Path, encoded: list[RecordBatch], name: str) -> None:
    path = tmp_path / name
    *_, written = write_lines(path, encoded)
    assert written == sum(len(batch.payloads) for batch in encoded)
    log = FileLog([path])
    read = [
        (batch.partition, *row)
        for batch in log.read(sorted(log.count_by_partition()))
        for row in zip(batch.offsets, batch.timestamps_ms, batch.payloads, strict=True)
    ]
    kept = [
        (batch.partition, *row)
        for batch in encoded
        for row in zip(batch.offsets, batch.timestamps_ms, batch.payloads, strict=True)
    ]
    assert sorted(read) == sorted(kept)


def test_a_packed_file_is_gzip(tmp_path: Path, encoded: list[RecordBatch]) -> None:
    *_, written = write_lines(tmp_path / "records.gz", encoded[:3])
    assert len(gzip.decompress((tmp_path / "records.gz").read_bytes()).splitlines()) == written
