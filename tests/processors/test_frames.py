"""Frames: how closed seconds are cut into records, and what a reader may forget of them."""

from made_rows import USERS, row

from tokentrail.processors.frames import MAX_FRAME_BYTES, MAX_SLICES, encode_frames, newest_second, pack_frames
from tokentrail.processors.slicing import ClosedSlices
from tokentrail.processors.watching import PartitionWatch
from tokentrail.schemas.slices import Slice, decode_frame

SECOND = 1_772_409_600


def _closed(slices: list[Slice]) -> ClosedSlices:
    return ClosedSlices(0, SECOND + 3, [row(calls=1)], slices, SECOND if slices else -1)


def test_the_first_of_several_frames_is_needed_until_its_own_seconds_are_saved() -> None:
    slices = [Slice(SECOND, 0, f"user-{n}", 0) for n in range(MAX_SLICES + 1)]
    (_, first), (_, last) = pack_frames(_closed(slices), USERS, 1, 1)
    assert (first.closed_through, newest_second(first)) == (SECOND - 1, SECOND)
    assert newest_second(last) == SECOND + 3


def test_a_frame_too_large_for_a_record_goes_in_parts_that_say_the_same() -> None:
    slices = [Slice(SECOND + n // 3000, 0, f"user-{n}-" + "ä" * 450, 0) for n in range(MAX_SLICES)]
    ((_, frame),) = pack_frames(_closed(slices), USERS, 1, 1)
    written = encode_frames(frame)
    assert len(written) > 1
    assert max(map(len, written)) <= MAX_FRAME_BYTES
    watch = PartitionWatch([], {})
    found: list[tuple[int, str]] = []
    for part in map(decode_frame, written):
        assert all(part.rows[piece.row] == frame.rows[0] for piece in part.slices)
        assert all(piece.second > (watch.clock or 0) for piece in part.slices)
        found += [(piece.second, piece.entity) for piece in part.slices]
        watch.apply(0, 1, part.closed_through, part.views, part.rows, part.slices)
        list(watch.advance())
    assert found == [(piece.second, piece.entity) for piece in slices]
    assert watch.clock == frame.closed_through


def test_a_frame_says_when_its_source_first_had_anything_whoever_owns_it() -> None:
    slices = [Slice(SECOND + n, 0, f"user-{n}", 0) for n in range(3)]
    assert [frame.opened for _, frame in pack_frames(_closed(slices), USERS, 1, 5)] == [SECOND] * 5
    assert [frame.opened for _, frame in pack_frames(_closed([]), USERS, 1, 2)] == [-1, -1]
