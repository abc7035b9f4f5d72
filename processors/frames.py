"""Frames: closed slices, packed for the destination partitions that own their entities."""

from collections.abc import Sequence
from typing import Final

import msgspec

from tokentrail.processors.slicing import ClosedSlices
from tokentrail.processors.views import begin_route, end_route
from tokentrail.schemas.slices import FRAME_VERSION, FrameView, Row, Slice, SliceFrame, encode_frame

MAX_SLICES: Final = 8_000
"""Slices a frame: about 1 MB before compression, well below the topic's record limit."""
MAX_FRAME_BYTES: Final = 3_500_000
"""Before compression; a producer refuses a record of more than 4,000,000."""


def pack_frames(
    closed: ClosedSlices, views: Sequence[FrameView], sources: int, destinations: int
) -> list[tuple[int, SliceFrame]]:
    """Return (destination partition, frame) pairs; every destination gets at least one, which carries the time.

    Only a destination's last frame says that the seconds are complete.
    """
    routed: list[list[Slice]] = [[] for _ in range(destinations)]
    begun = [begin_route(view.name) for view in views]
    for piece in closed.slices:
        routed[end_route(begun[piece.view], piece.entity, destinations)].append(piece)
    named, source = tuple(views), closed.source_partition
    return [
        (
            destination,
            SliceFrame(FRAME_VERSION, source, sources, through, named, *_take_rows(part, closed.rows), closed.opened),
        )
        for destination, slices in enumerate(routed)
        for through, part in _cut(slices, closed.closed_through)
    ]


def encode_frames(frame: SliceFrame) -> list[bytes]:
    """Return a frame as records; several where labels are so long that one would be too large."""
    encoded = encode_frame(frame)
    slices = frame.slices
    if len(encoded) <= MAX_FRAME_BYTES or len(slices) == 1:
        return [encoded]
    first, last = slices[: len(slices) // 2], slices[len(slices) // 2 :]
    parts = ((first, last[0].second - 1), (last, frame.closed_through))
    return [record for part, through in parts for record in encode_frames(_part_of(frame, part, through))]


def newest_second(frame: SliceFrame) -> int:
    """Return the newest second that a frame says anything of; it may be forgotten once that is saved."""
    return max(frame.closed_through, frame.slices[-1].second if frame.slices else -1)


def _part_of(frame: SliceFrame, slices: Sequence[Slice], through: int) -> SliceFrame:
    rows, renumbered = _take_rows(slices, frame.rows)
    return msgspec.structs.replace(frame, closed_through=through, rows=rows, slices=renumbered)


def _take_rows(slices: Sequence[Slice], rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Slice, ...]]:
    """Return the rows that some slices use, each once, and the slices with their new numbers."""
    numbers: dict[int, int] = {}
    renumbered: list[Slice] = []
    for piece in slices:
        number = numbers.get(piece.row)
        if number is None:
            number = numbers[piece.row] = len(numbers)
        renumbered.append(Slice(piece.second, piece.view, piece.entity, number, piece.extras))
    return tuple([rows[row] for row in numbers]), tuple(renumbered)


def _cut(slices: list[Slice], closed_through: int) -> list[tuple[int, list[Slice]]]:
    parts = [slices[start : start + MAX_SLICES] for start in range(0, len(slices), MAX_SLICES)] or [[]]
    *first, last = parts
    return [(part[0].second - 1, part) for part in first] + [(closed_through, last)]
