"""Writer, files and tail together: every record once and in order, whatever is kept in memory, cut or deleted."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tokentrail.producers.records import Record
from tokentrail.producers.spool import tail as tail_module
from tokentrail.producers.spool.reader import SegmentReader
from tokentrail.producers.spool.segments import Segments
from tokentrail.producers.spool.tail import Tail
from tokentrail.producers.spool.writer import SpoolLimits, SpoolWriter, WriterLinks

SMALL = SpoolLimits(max_bytes=65_536)


def record(number: int, size: int = 100) -> Record:
    return Record(b"p", str(number).encode().rjust(size, b"0"), [])


def numbers(records: list[Record]) -> list[int]:
    return [int(record.value) for record in records]


class Spooled:
    """A writer and a tail on a directory of their own."""

    def __init__(self, path: Path, limits: SpoolLimits = SMALL) -> None:
        self.segments = Segments(path)
        self.tail = Tail(self.segments)
        self.writer = SpoolWriter(self.segments, limits, WriterLinks(offer=self.tail.offer))
        self.written = 0

    def write(self, count: int, size: int = 100) -> None:
        for _ in range(count):
            self.written += 1
            assert self.writer.append(record(self.written, size))
        assert self.writer.commit()

    def take(self, count: int = 1000) -> list[int]:
        return numbers(self.tail.take(count, 1 << 20))


@pytest.fixture
def spooled(tmp_path: Path) -> Spooled:
    return Spooled(tmp_path)


def test_nothing_is_seen_before_it_is_committed(spooled: Spooled) -> None:
    assert spooled.writer.append(record(1))
    assert spooled.tail.is_empty
    assert spooled.take() == []
    assert spooled.writer.commit()
    assert spooled.take() == [1]
    assert spooled.tail.is_empty


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(["write", "take", "settle"]), st.integers(1, 40)), max_size=40))
def test_every_record_comes_once_and_in_order_whatever_memory_holds(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int]]
) -> None:
    monkeypatch.setattr(tail_module, "HOT_BYTES", 20_000)  # a few groups, so that files and memory take turns
    spooled = Spooled(tmp_path_factory.mktemp("spool"))
    taken: list[int] = []
    for step, count in steps:
        if step == "write" and spooled.segments.size_bytes < 40_000:
            spooled.write(count)
        elif step == "take":
            taken += spooled.take(count)
        else:
            spooled.segments.settle(spooled.tail.through)
    while not spooled.tail.is_empty:
        taken += spooled.take()

    assert taken == list(range(1, spooled.written + 1))
    assert spooled.tail.missing == 0


def test_settled_segments_are_deleted_and_the_rest_stay(spooled: Spooled, tmp_path: Path) -> None:
    for _ in range(30):
        spooled.write(10)
    segments = sorted(tmp_path.glob("*.seg"))
    assert len(segments) > 2
    first_of_second = int(segments[1].stem)

    spooled.segments.settle(first_of_second - 2)
    assert sorted(tmp_path.glob("*.seg")) == segments
    spooled.segments.settle(first_of_second - 1)
    assert sorted(tmp_path.glob("*.seg")) == segments[1:]
    spooled.segments.settle(300)
    assert sorted(tmp_path.glob("*.seg")) == segments[-1:]


def test_a_record_larger_than_a_chunk_is_read_too(tmp_path: Path) -> None:
    spooled = Spooled(tmp_path, SpoolLimits())
    for size in (100, 3_000_000, 9_000_000, 100):
        spooled.write(1, size)
    reader = SegmentReader(spooled.segments, 0)
    found: list[int] = []
    while frames := reader.read(4):
        found += [frame.sequence for frame in frames]

    assert found == [1, 2, 3, 4]


def test_records_in_a_damaged_stretch_are_counted_and_the_others_come(spooled: Spooled, tmp_path: Path) -> None:
    for _ in range(30):
        spooled.write(10)
    second = sorted(tmp_path.glob("*.seg"))[1]
    data = bytearray(second.read_bytes())
    data[500:900] = bytes(400)
    second.write_bytes(data)
    reader = SegmentReader(spooled.segments, 0)
    found: list[int] = []
    while frames := reader.read(300):
        found += [frame.sequence for frame in frames]

    assert found == sorted(found)
    assert 0 < reader.missing < 10
    assert len(found) + reader.missing == 300


@pytest.mark.parametrize("harm", ["deleted", "cut", "emptied"])
def test_a_file_that_somebody_harmed_costs_its_records_and_no_other(
    spooled: Spooled, tmp_path: Path, harm: str
) -> None:
    for _ in range(30):
        spooled.write(10)
    last = max(tmp_path.glob("*.seg"))
    if harm == "deleted":
        last.unlink()
    else:
        last.write_bytes(last.read_bytes()[: 200 if harm == "cut" else 0])
    reader = SegmentReader(spooled.segments, 0)
    found: list[int] = []
    while frames := reader.read(300):
        found += [frame.sequence for frame in frames]

    assert found == list(range(1, len(found) + 1))
    assert len(found) + reader.missing == 300
    assert reader.next == 301


def test_another_process_finds_what_is_not_settled(spooled: Spooled, tmp_path: Path) -> None:
    for _ in range(30):
        spooled.write(10)
    (tmp_path / "00000000000000000400.seg.tmp").touch()
    last = max(tmp_path.glob("*.seg"))
    with last.open("ab") as file:
        file.write(b"\xff\xfeTS torn")

    found = Segments.found_in(tmp_path, 123)

    assert found.committed == 300
    assert numbers(Tail(found, 123).take(1000, 1 << 20)) == list(range(124, 301))


def test_old_segments_are_deleted_and_their_unsettled_records_counted(tmp_path: Path) -> None:
    now_s = 1000.0
    segments = Segments(tmp_path)
    writer = SpoolWriter(segments, SpoolLimits(max_bytes=65_536, max_age_s=60), WriterLinks(clock=lambda: now_s))
    for number in range(200):
        writer.append(record(number))
        writer.commit()
    segments.settle(10)
    held = len(list(tmp_path.glob("*.seg")))
    now_s = 5000.0
    tail = Tail(segments, 10)
    for number in range(2):
        writer.append(record(200 + number))
        writer.commit()

    assert held > 2
    assert writer.dropped == {"too_old": 190}
    assert numbers(tail.take(1000, 1 << 20)) == [200, 201]
    assert tail.missing == 0
