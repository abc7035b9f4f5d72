"""The writer against a disk that is full, slow to give, or gone: it goes on, and counts."""

import errno
import os
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tokentrail.producers.records import Record
from tokentrail.producers.spool.cursor import Cursor, CursorFile
from tokentrail.producers.spool.reader import SegmentReader
from tokentrail.producers.spool.segments import Segments
from tokentrail.producers.spool.writer import SpoolLimits, SpoolWriter, WriterLinks

ROOMY = SpoolLimits(max_bytes=2**30)


def record(number: int, size: int = 1000) -> Record:
    return Record(b"p%d" % (number % 2), str(number).encode().rjust(size, b"0"), [])


def stored(segments: Segments) -> list[int]:
    reader = SegmentReader(segments, 0)
    found: list[int] = []
    while frames := reader.read(segments.committed):
        found += [int(frame.record.value) for frame in frames]
    reader.close()
    assert reader.missing == 0
    return found


@contextmanager
def files_no_larger_than(size_bytes: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_what_does_not_fit_is_dropped_whole_and_counted_and_the_rest_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    segments = Segments(tmp_path)
    dropped: Counter[bytes] = Counter()
    links = WriterLinks(on_drop=lambda key, count: dropped.update({key: count}))
    writer = SpoolWriter(segments, ROOMY, links)
    for number in range(3):
        assert writer.append(record(number))
    assert writer.commit()
    with files_no_larger_than(5000):  # in the middle of the group's second record
        for number in range(3, 7):
            assert writer.append(record(number))
        assert not writer.commit()
        assert writer.last_error
        assert not writer.append(record(7, 3000))  # from now on each on its own: the answer is exact
        assert not writer.append(record(8, 3000))
        assert writer.append(record(9, 500))
        assert writer.commit()
    assert writer.append(record(10))
    assert writer.commit()

    assert stored(segments) == [0, 1, 2, 9, 10]
    assert writer.dropped == {"disk_full": 6}
    assert dropped == {b"p1": 2, b"p0": 2}  # the two refused in `append` are told by its answer
    assert writer.last_error == ""
    assert [entry.levelname for entry in caplog.records].count("WARNING") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    command = [mount or "", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)]
    if not (mount and unmount) or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield tmp_path
    subprocess.run([unmount, "--lazy", str(tmp_path)], check=True)


def test_a_full_disk_costs_what_does_not_fit_until_there_is_room_again(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    cursor = CursorFile(small_disk)
    assert cursor.write(Cursor(written=0))
    assert cursor.write(Cursor(written=1))
    segments = Segments(small_disk)
    writer = SpoolWriter(segments, ROOMY)
    kept = sum(writer.append(record(number)) and writer.commit() for number in range(1000))
    ballast.unlink()
    for number in range(1000, 1100):
        assert writer.append(record(number))
        assert writer.commit()

    assert 300 < kept < 500
    assert writer.dropped == {"disk_full": 1000 - kept}
    assert stored(segments) == [*range(kept), *range(1000, 1100)]
    assert cursor.write(Cursor(written=2, sequence=5))
    writer.close()


def test_a_full_spool_refuses_what_is_new_and_has_room_again_when_something_is_settled(tmp_path: Path) -> None:
    segments = Segments(tmp_path)
    writer = SpoolWriter(segments, SpoolLimits(max_bytes=65_536))
    accepted = sum(writer.append(record(number)) and writer.commit() for number in range(100))

    assert 50 < accepted < 66
    assert writer.dropped == {"spool_full_bytes": 100 - accepted}
    assert stored(segments) == list(range(accepted))
    segments.settle(accepted)
    assert writer.append(record(100))
    assert writer.commit()
    assert segments.size_bytes < 10_000
    assert sum(path.stat().st_size for path in tmp_path.glob("*.seg")) == segments.size_bytes


def test_what_other_processes_hold_counts_against_the_limit(tmp_path: Path) -> None:
    writer = SpoolWriter(Segments(tmp_path), SpoolLimits(max_bytes=65_536), WriterLinks(others_bytes=lambda: 64_000))
    assert writer.append(record(1))
    assert not writer.append(record(2))


def test_a_record_that_no_topic_takes_is_refused(tmp_path: Path) -> None:
    writer = SpoolWriter(Segments(tmp_path), ROOMY)
    assert not writer.append(record(1, 20_000_000))
    assert writer.dropped == {"too_large": 1}


def test_a_directory_that_is_deleted_costs_what_comes_meanwhile(tmp_path: Path) -> None:
    directory = tmp_path / "spool"
    directory.mkdir()
    segments = Segments(directory)
    writer = SpoolWriter(segments, ROOMY)
    assert writer.append(record(1))
    assert writer.commit()
    next(directory.iterdir()).unlink()
    directory.rmdir()
    assert writer.append(record(2))
    assert not writer.commit()
    directory.mkdir()
    assert writer.append(record(3))
    assert writer.commit()

    assert writer.dropped == {"write_failed": 1}
    assert len(list(directory.iterdir())) == 1


def test_a_descriptor_that_became_somebody_elses_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    segments = Segments(tmp_path / "spool")
    writer = SpoolWriter(segments, ROOMY)
    assert writer.append(record(1))
    assert writer.commit()
    own = writer._file
    with (tmp_path / "somebody's").open("wb") as other:
        os.dup2(other.fileno(), own)  # as a host does that closes every descriptor and opens its own
        assert writer.append(record(2))
        assert writer.commit()
        os.close(own)

    assert (tmp_path / "somebody's").read_bytes() == b""
    assert stored(segments) == [1, 2]


@pytest.mark.parametrize(("strict", "settled", "expected"), [(True, True, 30), (False, True, 0), (False, False, 2)])
def test_data_is_on_the_disk_with_each_strict_commit_and_else_once_it_has_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, strict: bool, settled: bool, expected: int
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    segments = Segments(tmp_path)
    clock_s = 0.0
    writer = SpoolWriter(segments, SpoolLimits(sync=strict), WriterLinks(clock=lambda: clock_s))
    for tenth in range(30):
        clock_s = tenth / 10
        assert writer.append(record(1))
        assert writer.commit()
        if settled:
            segments.settle(segments.committed)

    assert len(synced) == expected


def test_a_disk_that_fails_to_sync_costs_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    segments = Segments(tmp_path)
    writer = SpoolWriter(segments, SpoolLimits(sync=True))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        assert writer.append(record(1))
        assert not writer.commit()
    assert writer.append(record(2))
    assert writer.commit()

    assert writer.dropped == {"write_failed": 1}
    assert stored(segments) == [2]


def test_a_group_that_grows_large_is_written_before_anybody_commits(tmp_path: Path) -> None:
    segments = Segments(tmp_path)
    writer = SpoolWriter(segments, ROOMY)
    for number in range(10):
        assert writer.append(record(number, 1_000_000))
    assert segments.committed >= 4
