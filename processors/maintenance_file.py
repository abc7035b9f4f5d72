"""Maintenance windows as the rule file has them now."""

import logging
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tokentrail.errors import RuleError
from tokentrail.processors.silences import MaintenanceWindow, understand_maintenance
from tokentrail.schemas.rules import Maintenance

_log = logging.getLogger(__name__)


def load_maintenance(path: Path) -> list[MaintenanceWindow]:
    """Read the `[[maintenance]]` tables of a rule file; its rules are not looked at.

    Raises:
        RuleError: names file, window and field.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        found = msgspec.convert(document.get("maintenance", []), list[Maintenance])
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"The rules in {path} cannot be read: {error}. Check the setting `rules`.") from error
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{path} is not valid TOML: {error}.") from error
    except msgspec.ValidationError as error:
        raise RuleError(f"{path} has a maintenance window that cannot be used: {error}.") from error
    windows = []
    for maintenance in found:
        try:
            windows.append(understand_maintenance(maintenance))
        except ValueError as error:
            raise RuleError(f"{path}: maintenance {maintenance.name!r}: {error}.") from error
    return windows


class MaintenanceFile:
    """Reads the file again when it has changed; one that cannot be used any more leaves what held before."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen = self._stamp()
        self._windows: list[MaintenanceWindow] = load_maintenance(path) if path else []

    def windows(self) -> Sequence[MaintenanceWindow]:
        """Return the windows; looks at the file's times, and reads it if they have changed."""
        stamp = self._stamp()
        if self._path is not None and stamp is not None and stamp != self._seen:
            self._seen = stamp
            try:
                self._windows = load_maintenance(self._path)
            except RuleError as error:
                _log.warning("The maintenance windows stay as they were: %s", error)
        return self._windows

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size) if found else None
