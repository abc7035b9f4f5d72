"""Rule reload: notices that the rule file has changed; a file that cannot be used changes nothing."""

import logging
from pathlib import Path

from tokentrail.errors import RuleError
from tokentrail.processors.rules import load_rules
from tokentrail.schemas.rules import Rule

_log = logging.getLogger(__name__)


class RuleFileWatch:
    """Watches one rule file; the shipped rules never change."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._state = self._look()
        self.rules = load_rules(path)
        """The rules in force."""

    def changed(self) -> list[Rule] | None:
        """Return the new rules if the file has changed and can be used; None otherwise. One `stat` where it has not.

        What is wrong with a file is logged once; the old rules stay in force.
        """
        state = self._look()
        if self._path is None or state is None or state == self._state:
            return None
        self._state = state
        try:
            rules = load_rules(self._path)
        except RuleError as error:
            _log.error("The rules were not reloaded, the old ones stay in force. %s", error)
            return None
        if rules == self.rules:
            return None
        self.rules = rules
        _log.warning("The rules were reloaded from %s: %d are in force.", self._path, len(rules))
        return rules

    def _look(self) -> tuple[int, int, int] | None:
        if self._path is None:
            return None
        try:
            status = self._path.stat()
        except OSError:
            return None  # as while an editor puts a new file in its place
        return status.st_mtime_ns, status.st_size, status.st_ino
