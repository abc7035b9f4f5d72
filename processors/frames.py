"""Frames: closed slices, packed for the destination partitions that own their entities."""

from collections.abc import Sequence
from typing import Final

from tokentrail.processors.slicing import ClosedSlices
from tokentrail.processors.views import route_entity
from tokentrail.schemas.slices import FRAME_VERSION, FrameView, Row, Slice, SliceFrame

MAX_SLICES: Final = 8_000
"""Slices a frame: about 1 MB before compression, well below the topic's record limit."""


def pack_frames(
    closed: ClosedSlices, views: Sequence[FrameView], sources: int, destinations: int
) -> list[tuple[int, SliceFrame]]:
    """Return (destination partition, frame) pairs; every destination gets at least one, which carries the time.

    Only a destination's last frame says that the seconds are complete.
    """
    routed: list[list[Slice]] = [[] for _ in range(destinations)]
    owners: dict[tuple[int, str], int] = {}
    for piece in closed.slices:
        key = (piece.view, piece.entity)
        owner = owners.get(key)
        if owner is None:
            owner = owners[key] = route_entity(views[piece.view].name, piece.entity, destinations)
        routed[owner].append(piece)
    named, source = tuple(views), closed.source_partition
    return [
        (destination, SliceFrame(FRAME_VERSION, source, sources, through, named, *_take_rows(part, closed.rows)))
        for destination, slices in enumerate(routed)
        for through, part in _cut(slices, closed.closed_through)
    ]


def _take_rows(slices: list[Slice], rows: list[Row]) -> tuple[tuple[Row, ...], tuple[Slice, ...]]:
    """Return the rows that some slices use, each once, and the slices with their new numbers."""
    numbers: dict[int, int] = {}
    number_of = numbers.setdefault
    renumbered = tuple(
        Slice(piece.second, piece.view, piece.entity, number_of(piece.row, len(numbers)), piece.extras)
        for piece in slices
    )
    return tuple(rows[row] for row in numbers), renumbered


def _cut(slices: list[Slice], closed_through: int) -> list[tuple[int, list[Slice]]]:
    parts = [slices[start : start + MAX_SLICES] for start in range(0, len(slices), MAX_SLICES)] or [[]]
    *first, last = parts
    return [(part[0].second - 1, part) for part in first] + [(closed_through, last)]
