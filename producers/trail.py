"""This process's own trail: one publisher, and one recorder for each service name; made on the first call."""

import os
import threading

from tokentrail.producers.publisher import Publisher
from tokentrail.producers.recorder import Recorder
from tokentrail.settings import current_settings

_lock = threading.RLock()
_publishers: list[Publisher] = []
_recorders: dict[tuple[str, str], Recorder] = {}


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


def _after_fork_in_child() -> None:
    # A thread that the child does not have may hold the parent's.
    global _lock  # noqa: PLW0603 - a lock cannot be made free, only replaced
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork_in_child)
