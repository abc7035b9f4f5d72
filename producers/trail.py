"""This process's own trail: one bus, one scribe, and one recorder for each service name; made when first needed."""

from __future__ import annotations

import atexit
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from tokentrail.producers.guard import faults
from tokentrail.producers.metrics import observe_stats
from tokentrail.producers.scribe import Scribe
from tokentrail.producers.stats import BusCounts, ShimStats, collect_stats
from tokentrail.producers.strictness import require_commit
from tokentrail.settings import current_settings

if TYPE_CHECKING:
    from tokentrail.producers.bus import Bus
    from tokentrail.producers.calls import Call, Outcome
    from tokentrail.producers.recorder import Recorder
    from tokentrail.producers.redaction import Redactor

_lock = threading.RLock()
_buses: list[Bus] = []
_recorders: dict[tuple[str, str], Recorder] = {}
_scribes: list[TrailScribe] = []
_redactors: list[Redactor] = []
_names: list[str | None] = [None, None]
_told: tuple[int, dict[str, int], dict[str, int]] = (0, {}, {})
_observed = False


class TrailScribe(Scribe):
    """The scribe of this process, which also records calls that somebody else has described."""

    def started(self, call: Call, occurred_at_ns: int) -> None:
        """Record that a call begins; nanoseconds since 1970. Returns at once, unless the delivery is strict.

        Raises:
            RecordingRefusedError: the delivery is strict, and the start of the call could not be recorded.
        """
        record = partial(default_recorder().started, call, occurred_at_ns=occurred_at_ns)
        if is_strict():
            require_commit(self, record)
        else:
            self.put(record)

    def completed(self, call: Call, outcome: Outcome, occurred_at_ns: int) -> None:
        """Record how a call ended, and when. Returns at once."""
        self.put(partial(default_recorder().completed, call, outcome, occurred_at_ns=occurred_at_ns))


def default_bus() -> Bus:
    """Return the way to the configured broker. No I/O until the first record.

    Raises:
        SettingsError: the settings cannot be used.
    """
    with _lock:
        if not _buses:
            # Here, where no call waits: asyncio and ssl come with it.
            from tokentrail.producers.bus import open_bus

            _buses.append(open_bus(current_settings(), on_drop=_note_dropped))
            # What is registered later is called earlier: the bus has registered its own end just now.
            atexit.unregister(_end)
            atexit.register(_end)
        return _buses[0]


def default_recorder(service: str | None = None, environment: str | None = None) -> Recorder:
    """Return the recorder of a service in this process; to be used by jobs of `default_scribe` alone.

    What is not given is what `name_service` said, or comes from the settings.

    Raises:
        SettingsError: the settings cannot be used.
    """
    if service is None:
        service = current_settings().service if _names[0] is None else _names[0]
    if environment is None:
        environment = current_settings().environment if _names[1] is None else _names[1]
    key = (service, environment)
    recorder = _recorders.get(key)
    if recorder is not None:
        return recorder
    with _lock:
        if key not in _recorders:
            from tokentrail.producers.recorder import Recorder

            _recorders[key] = Recorder(default_bus().append, service=key[0], environment=key[1])
        return _recorders[key]


def name_service(service: str | None, environment: str | None) -> None:
    """Say what this process is called wherever a client does not say it; None leaves it to the settings."""
    _names[:] = [service, environment]


def default_scribe() -> TrailScribe:
    """Return this process's scribe; its thread starts with the first call.

    Raises:
        SettingsError: the settings cannot be used.
    """
    if not _scribes:
        with _lock:
            if not _scribes:
                current_settings()
                _scribes.append(TrailScribe(_commit, beat=_tell_stats))
                atexit.register(_end)
    return _scribes[0]


def default_redactor() -> Redactor:
    """Return the redactor with the user's own patterns, if there are any.

    Raises:
        SettingsError: one of them is no RE2 pattern.
    """
    with _lock:
        if not _redactors:
            from tokentrail.producers.redaction import Redactor

            _redactors.append(Redactor(current_settings().redact))
        return _redactors[0]


def is_strict() -> bool:
    """Return whether no call may be made that cannot be recorded."""
    return current_settings().delivery == "strict"


def flush(timeout_s: float = 10.0) -> bool:
    """Wait until everything recorded so far is in Kafka. False: time is up, or no broker is configured."""
    deadline_s = time.monotonic() + timeout_s
    return default_scribe().flush(timeout_s) and default_bus().flush(max(0.0, deadline_s - time.monotonic()))


def stats() -> ShimStats:
    """Return what recording has done in this process so far. From any thread; waits for nothing."""
    recorders = [recorder.stats() for recorder in list(_recorders.values())]
    dropped = _scribes[0].dropped if _scribes else {}
    return collect_stats(recorders, _buses[0].counts() if _buses else BusCounts(), dropped, faults)


def _commit() -> bool:
    return _buses[0].commit() if _buses else True


def _end() -> None:
    for scribe in _scribes:
        scribe.flush_what_waits()
        scribe.close()
    for bus in _buses:
        bus.close()


def _tell_stats() -> bool:
    """Record the counts if there is something new in them. False: there was nothing."""
    global _told, _observed  # noqa: PLW0603 - what was told last is a fact about the process
    _observed = _observed or observe_stats(stats)
    found = stats()
    if (found.recorded, found.dropped, found.faults) == _told:
        return False
    default_recorder().stats_event(found)
    found = stats()
    _told = (found.recorded, found.dropped, found.faults)
    return True


def _note_dropped(key: bytes, count: int) -> None:
    for recorder in list(_recorders.values()):
        recorder.note_dropped(key, count)


def _after_fork_in_child() -> None:
    # A thread that the child does not have may hold the parent's.
    global _lock  # noqa: PLW0603 - a lock cannot be made free, only replaced
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
