"""The log in files."""

import gzip
import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cramjam
import pytest
from call_log import START, make_call

from tokentrail.errors import SourceError
from tokentrail.processors import file_lines
from tokentrail.processors.event_range import EventRange
from tokentrail.processors.file_log import FileLog

CALLS = [make_call(number, START + timedelta(seconds=number), user_id="u" * number) for number in range(50)]
TEXT = b"".join(call.payload + b"\n" for call in CALLS)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_lines, "CHUNK_BYTES", 700)


def _zstd(text: bytes) -> bytes:
    return bytes(cramjam.zstd.compress(text))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", TEXT),
        ("a.jsonl", TEXT[:-1]),
        ("a.jsonl", TEXT.replace(b"\n", b"\n\n")),
        ("a.jsonl.gz", gzip.compress(TEXT)),
        ("a.jsonl.gz", gzip.compress(TEXT[:5000]) + gzip.compress(TEXT[5000:])),
        ("a.jsonl.zst", _zstd(TEXT)),
        ("a.jsonl.zst", _zstd(TEXT[:5000]) + _zstd(TEXT[5000:])),
    ],
)
def test_every_line_is_read_once_in_order_whatever_the_form(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    log = FileLog([path])
    batches = list(log.read([0]))
    assert [payload for batch in batches for payload in batch.payloads] == [call.payload for call in CALLS]
    times_ms = [ms for batch in batches for ms in batch.timestamps_ms]
    assert times_ms == [int(call.occurred_at.timestamp() * 1000) for call in CALLS]
    assert {batch.partition for batch in batches} == {0}
    assert log.fraction == 1.0


def test_several_files_go_forward_together_and_each_is_a_partition(tmp_path: Path) -> None:
    for number in (0, 1):
        (tmp_path / str(number)).write_bytes(b"".join(call.payload + b"\n" for call in CALLS[number::2]))
    log = FileLog([tmp_path / "0", tmp_path / "1"])
    batches = list(log.read([0, 1]))
    firsts = [batch.timestamps_ms[0] for batch in batches]
    assert firsts == sorted(firsts)
    assert len({batch.partition for batch in batches[:2]}) == 2
    assert sum(len(batch.offsets) for batch in batches) == len(CALLS)
    assert sorted(log.count_by_partition()) == [0, 1]
    assert {batch.partition for batch in FileLog([tmp_path / "0", tmp_path / "1"]).read([1])} == {1}


def test_a_range_of_event_time_is_cut_out_and_offsets_stay_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(TEXT)
    within = EventRange(START + timedelta(seconds=10), START + timedelta(seconds=20))
    offsets = [offset for batch in FileLog([path], within).read([0]) for offset in batch.offsets]
    assert offsets == list(range(10, 20))


@pytest.mark.parametrize("line", [b"not json", b"{}", b'{"occurred_at":"2026-03-02T12:00:00"}', b"[1]", b"\xff"])
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(TEXT[: TEXT.index(b"\n") + 1] + line + b"\n" + TEXT)
    with pytest.raises(SourceError, match=r"a\.jsonl, line 2, is no event"):
        list(FileLog([path]).read([0]))


def _record_lines(partitions: int) -> bytes:
    return b"".join(
        b'{"partition":%d,"offset":%d,"timestamp_ms":%d,"event":%b}\n'
        % (number % partitions, number // partitions, 1_000 + number, call.payload)
        for number, call in enumerate(CALLS)
    )


def test_records_keep_partition_offset_and_arrival(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(_record_lines(3))
    log = FileLog([path])
    assert log.count_by_partition() == {0: 17, 1: 17, 2: 16}
    batches = list(log.read([0, 2]))
    found = sorted(
        (ms, batch.partition, offset, payload)
        for batch in batches
        for ms, offset, payload in zip(batch.timestamps_ms, batch.offsets, batch.payloads, strict=True)
    )
    assert found == [
        (1_000 + number, number % 3, number // 3, call.payload) for number, call in enumerate(CALLS) if number % 3 != 1
    ]


def test_files_of_events_are_numbered_behind_the_partitions_of_records(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(TEXT)
    (tmp_path / "records").write_bytes(_record_lines(2))
    log = FileLog([tmp_path / "events", tmp_path / "records"])
    assert sorted(log.count_by_partition()) == [0, 1, 2]
    assert sum(len(batch.offsets) for batch in log.read([2])) == len(CALLS)


def test_a_range_of_event_time_is_cut_out_of_records_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    arrival_ms = int(START.timestamp() * 1000)
    path.write_bytes(_record_lines(1).replace(b'"timestamp_ms":', b'"timestamp_ms":%d' % (arrival_ms // 10**4)))
    within = EventRange(START + timedelta(seconds=10), START + timedelta(seconds=20))
    offsets = [offset for batch in FileLog([path], within).read([0]) for offset in batch.offsets]
    assert offsets == list(range(10, 20))


@pytest.mark.parametrize("line", [b'{"partition":x}', TEXT.split(b"\n")[0], b'{"partition":0,"offset":1}'])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(_record_lines(2).split(b"\n")[0] + b"\n" + line + b"\n")
    with pytest.raises(SourceError, match=r"a\.jsonl, line 2, is no record"):
        list(FileLog([path]).read([0]))


def test_a_file_that_is_missing_or_cut_off_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.jsonl cannot be read"):
        FileLog([tmp_path / "none.jsonl"]).count_by_partition()
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(TEXT)[:-20])
    with pytest.raises(SourceError, match=r"cut\.jsonl\.gz cannot be read"):
        list(FileLog([path]).read([0]))


def test_times_before_the_epoch_and_with_an_offset_are_moments_like_others(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    for moment in ("1969-12-31T23:59:59.5Z", "2026-03-02T13:00:00+01:00"):
        buffer.write(b'{"occurred_at":"%b"}\n' % moment.encode())
    path = tmp_path / "a.jsonl"
    path.write_bytes(buffer.getvalue())
    (batch,) = FileLog([path]).read([0])
    noon_ms = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp() * 1000)
    assert list(batch.timestamps_ms) == [-500, noon_ms]


def test_a_partition_that_no_topic_can_have_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"partition":99999999999999,"offset":7,"timestamp_ms":1,"event":{}}\n')
    with pytest.raises(SourceError, match="line 1, is no record"):
        FileLog([path]).count_by_partition()


def test_a_file_is_read_whose_name_is_no_unicode(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.jsonl")
    path.write_bytes(TEXT)
    assert sum(len(batch.offsets) for batch in FileLog([path]).read([0])) == len(CALLS)
