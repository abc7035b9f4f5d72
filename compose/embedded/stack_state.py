"""What runs on a data directory, in a file: `DATA/run/stack.json`."""

from contextlib import suppress
from pathlib import Path

import msgspec
import psutil


class PartReport(msgspec.Struct, frozen=True, kw_only=True):
    """One part, as it was when the file was written."""

    name: str
    state: str
    pid: int | None
    address: str
    restarts: int
    started_at: float
    """Unix time in seconds."""
    detail: str
    log: str


class StackState(msgspec.Struct, frozen=True, kw_only=True):
    """A whole stack."""

    pid: int
    """Of the supervisor."""
    pid_started_at: float
    """Unix time in seconds: tells the supervisor from a later process of the same id."""
    kafka: str
    clickhouse: str
    topic_prefix: str
    clickhouse_database: str
    parts: tuple[PartReport, ...]


def state_path(data: Path) -> Path:
    """Return where the state of the stack on a data directory stands."""
    return data / "run" / "stack.json"


def write_state(data: Path, state: StackState) -> None:
    """Replace the state file; a reader sees the old or the new one, never half. A full disk is let pass."""
    path = state_path(data)
    with suppress(OSError):
        new = path.with_suffix(".new")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
        new.replace(path)


def read_state(data: Path) -> StackState | None:
    """Return the state of the stack that runs on a data directory, or None when none runs there."""
    try:
        state = msgspec.json.decode(state_path(data).read_bytes(), type=StackState)
        runs = psutil.Process(state.pid).create_time() == state.pid_started_at
    except (OSError, psutil.Error, msgspec.MsgspecError):
        return None
    return state if runs else None


def remove_state(data: Path) -> None:
    """Say that nothing runs on a data directory any more."""
    with suppress(OSError):
        state_path(data).unlink()
