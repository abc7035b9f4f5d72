"""One part of a stack: what is run, when it counts as ready, and how it is doing."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A process to be kept running.

    It counts as ready when it says so (sd_notify(3), as `tokentrail.readiness.report_ready` does), or, with a `probe`,
    when that coroutine returns.
    """

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    """The whole environment of the process, but for NOTIFY_SOCKET."""
    address: str = ""
    """Where clients reach it; for people and for the state file."""
    probe: Callable[[], Awaitable[None]] | None = None
    ready_within_s: float = 60.0
    stop_within_s: float = 20.0
    """How long after SIGTERM it is left to end by itself, before SIGKILL."""


class PartState(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DONE = "done"


@dataclass(kw_only=True, slots=True)
class PartStatus:
    """How a part is doing."""

    name: str
    address: str = ""
    state: PartState = PartState.WAITING
    pid: int | None = None
    restarts: int = 0
    """How often it was started again after it had died."""
    started_at: float = field(default=0.0)
    """Unix time of the last start, in seconds."""
    detail: str = ""
    """What it last said of itself, or why it is not running."""
