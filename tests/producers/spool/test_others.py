"""The room that other processes take: known soon, and waited for by nobody."""

import threading
from pathlib import Path

from tokentrail.producers.spool.others import COUNT_EVERY_S, OthersSize


class Counting:
    """A count that takes as long as the test wants."""

    def __init__(self) -> None:
        self.go, self.counts = threading.Event(), 0

    def __call__(self, _root: Path) -> int:
        self.go.wait(10)
        self.counts += 1
        return self.counts * 1_000


def ask_until(others: OthersSize, size_bytes: int) -> None:
    for _ in range(1_000):
        if others() == size_bytes:
            return
        threading.Event().wait(0.01)
    raise AssertionError(others())


def test_who_asks_waits_for_no_count_and_is_told_once_there_is_one(tmp_path: Path) -> None:
    counting = Counting()
    others = OthersSize(tmp_path, counting)

    assert [others() for _ in range(3)] == [0, 0, 0]
    counting.go.set()

    ask_until(others, 1_000)
    assert counting.counts == 1


def test_it_counts_anew_when_the_last_count_is_old(tmp_path: Path) -> None:
    now_s = [0.0]
    counting = Counting()
    counting.go.set()
    others = OthersSize(tmp_path, counting, lambda: now_s[0])
    ask_until(others, 1_000)

    now_s[0] += COUNT_EVERY_S + 1

    ask_until(others, 2_000)
    assert counting.counts == 2


def test_it_counts_the_segments_of_directories_that_are_there(tmp_path: Path) -> None:
    directory = tmp_path / "1-1-of-another"
    directory.mkdir()
    (directory / "1.seg").write_bytes(b"x" * 100)

    ask_until(OthersSize(tmp_path), 100)
