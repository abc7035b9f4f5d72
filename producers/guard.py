"""The one rule of every shim: what goes wrong inside it is counted and logged once, and never reaches the caller."""

import logging
from collections import Counter
from types import TracebackType
from typing import Final

_log = logging.getLogger("tokentrail")
faults: Final[Counter[str]] = Counter()
"""How often something went wrong inside the shims of this process, by what they were doing."""


class guarded:  # noqa: N801 - reads as an adjective: `with guarded("reading a response"):`
    """Swallow errors of the block (not cancellation, not KeyboardInterrupt), count them, log the first of each kind."""

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self.note(error)
        return True

    def note(self, error: Exception) -> None:
        """Count an error that was caught, and log the first of its kind: for where a block would cost too much."""
        faults[self._doing] += 1
        if faults[self._doing] == 1:
            try:  # noqa: SIM105 - `suppress` is an import that the first call need not wait for
                self._tell(error, error.__traceback__)
            except Exception:  # noqa: BLE001, S110 - a handler of the host's raises: it is counted, and cannot be told
                pass

    def _tell(self, error: Exception, traceback: TracebackType | None) -> None:
        last = traceback
        while last is not None and last.tb_next is not None:
            last = last.tb_next
        place = f"{last.tb_frame.f_code.co_filename}:{last.tb_lineno}" if last else "unknown place"
        # The message of a foreign error may quote content or a key: it is not logged.
        _log.warning(
            "%s failed (%s at %s). The call itself is not affected, its record may be incomplete; "
            "further failures of this kind are only counted.",
            self._doing, type(error).__name__, place,
        )  # fmt: skip
