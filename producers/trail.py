"""This process's own trail: one publisher, and one recorder for each service name; made on the first call."""

import atexit
import os
import threading
from typing import Final

from tokentrail.producers.guard import guarded
from tokentrail.producers.publisher import Publisher
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.redaction import Redactor
from tokentrail.producers.scribe import Scribe
from tokentrail.settings import current_settings

_MAKING: Final = guarded("making the publisher")
_lock = threading.RLock()
_publishers: list[Publisher] = []
_recorders: dict[tuple[str, str], Recorder] = {}
_scribes: list[Scribe] = []
_redactors: list[Redactor] = []


def default_publisher() -> Publisher:
    """Return the publisher to the configured broker. No I/O until the first record.

    Raises:
        SettingsError: the settings cannot be used.
    """
    with _lock:
        if not _publishers:
            _publishers.append(Publisher.from_settings(current_settings()))
        return _publishers[0]


def default_recorder(service: str | None = None, environment: str | None = None) -> Recorder:
    """Return the recorder of a service in this process; what is not given comes from the settings.

    Raises:
        SettingsError: the settings cannot be used.
    """
    settings = current_settings()
    name = (
        settings.service if service is None else service,
        settings.environment if environment is None else environment,
    )
    recorder = _recorders.get(name)
    if recorder is not None:
        return recorder
    with _lock:
        if name not in _recorders:
            _recorders[name] = Recorder(default_publisher(), service=name[0], environment=name[1])
        return _recorders[name]


def default_scribe() -> Scribe:
    """Return this process's scribe; its thread starts with the first call."""
    if not _scribes:
        with _lock:
            if not _scribes:
                with _MAKING:
                    default_publisher()  # before the next line: what is registered later is closed earlier
                _scribes.append(Scribe())
                atexit.register(_scribes[0].close)
    return _scribes[0]


def default_redactor() -> Redactor:
    """Return the redactor with the user's own patterns, if there are any.

    Raises:
        SettingsError: one of them is no RE2 pattern.
    """
    with _lock:
        if not _redactors:
            _redactors.append(Redactor(current_settings().redact))
        return _redactors[0]


def _after_fork_in_child() -> None:
    # A thread that the child does not have may hold the parent's.
    global _lock  # noqa: PLW0603 - a lock cannot be made free, only replaced
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
