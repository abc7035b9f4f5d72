"""Room on the disk that holds the data."""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from tokentrail.errors import DiskFullError

MIB: Final = 1_048_576
START_FREE_BYTES: Final = 1024 * MIB
STOP_FREE_BYTES: Final = 256 * MIB
"""Kept free, so that every part can still write what it must to end cleanly."""
_CHECK_EVERY_S: Final = 1.0


def require_room(data: Path, free_bytes: int = START_FREE_BYTES) -> None:
    """Make sure that a stack has room to start.

    Raises:
        DiskFullError: less than `free_bytes` are free.
    """
    free = shutil.disk_usage(data).free
    if free < free_bytes:
        raise DiskFullError(
            f"Only {free // MIB} MiB are free on the disk of {data}; the stack wants {free_bytes // MIB} MiB to start. "
            "Free some, or name a directory on another disk with --data."
        )


async def watch_room(data: Path, free_bytes: int = STOP_FREE_BYTES) -> None:
    """Return never while there is room.

    Raises:
        DiskFullError: less than `free_bytes` are left. Whoever waits here stops the stack.
    """
    while (free := shutil.disk_usage(data).free) >= free_bytes:  # noqa: ASYNC110 # a disk tells nobody that it fills
        await asyncio.sleep(_CHECK_EVERY_S)
    raise DiskFullError(
        f"Only {free // MIB} MiB are left on the disk of {data}: the stack was stopped before anything could be lost. "
        "Services keep in memory what fits there, and drop and count the rest: free some room, then start it again."
    )
