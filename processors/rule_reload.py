"""Rule reload: notices that rule file or budget file have changed; a file that cannot be used changes nothing."""

import logging
from pathlib import Path

from tokentrail.errors import AttributionError, RuleError
from tokentrail.processors.budget_rules import load_active_rules
from tokentrail.schemas.rules import Rule

_log = logging.getLogger(__name__)


class RuleFileWatch:
    """Watches the rule file and the budget file; the shipped rules never change."""

    def __init__(self, path: Path | None, budgets: Path | None = None) -> None:
        self._path = path
        self._budgets = budgets
        self._state = self._look()
        self.rules = load_active_rules(path, budgets)
        """The rules in force."""

    def changed(self) -> list[Rule] | None:
        """Return the new rules if a file has changed and can be used; None otherwise. One `stat` a file if none has.

        What is wrong with a file is logged once; the old rules stay in force.
        """
        state = self._look()
        # None: as while an editor puts a new file in its place.
        if None in state or state == self._state:
            return None
        self._state = state
        try:
            rules = load_active_rules(self._path, self._budgets)
        except (RuleError, AttributionError) as error:
            _log.error("The rules were not reloaded, the old ones stay in force. %s", error)
            return None
        if rules == self.rules:
            return None
        self.rules = rules
        _log.warning("The rules were reloaded from %s: %d are in force.", self._path or self._budgets, len(rules))
        return rules

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_look_at(path) for path in (self._path, self._budgets) if path is not None]


def _look_at(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
