"""Frames: closed slices, packed for the destination partitions that own their entities."""

from collections.abc import Sequence
from typing import Final

from tokentrail.processors.groupings import route_entity
from tokentrail.processors.slicing import ClosedSlices
from tokentrail.schemas.slices import FRAME_VERSION, Slice, SliceFrame

MAX_SLICES: Final = 8_000
"""Slices a frame: about 1 MB before compression, well below the topic's record limit."""


def pack_frames(
    closed: ClosedSlices, groupings: Sequence[str], sources: int, destinations: int
) -> list[tuple[int, SliceFrame]]:
    """Return (destination partition, frame) pairs; every destination gets at least one, which carries the time.

    Only a destination's last frame says that the seconds are complete.
    """
    routed: list[list[Slice]] = [[] for _ in range(destinations)]
    owners: dict[tuple[int, str], int] = {}
    for piece in closed.slices:
        key = (piece.grouping, piece.entity)
        owner = owners.get(key)
        if owner is None:
            owner = owners[key] = route_entity(groupings[piece.grouping], piece.entity, destinations)
        routed[owner].append(piece)
    names, source = tuple(groupings), closed.source_partition
    return [
        (destination, SliceFrame(FRAME_VERSION, source, sources, through, names, tuple(part)))
        for destination, slices in enumerate(routed)
        for through, part in _cut(slices, closed.closed_through)
    ]


def _cut(slices: list[Slice], closed_through: int) -> list[tuple[int, list[Slice]]]:
    parts = [slices[start : start + MAX_SLICES] for start in range(0, len(slices), MAX_SLICES)] or [[]]
    *first, last = parts
    return [(part[0].second - 1, part) for part in first] + [(closed_through, last)]
