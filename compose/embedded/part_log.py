"""A part's output on disk, bounded in size."""

import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

_MAX_BYTES: Final = 8 * 1_048_576
_OLD_FILES: Final = 2
_TAIL_BYTES: Final = 8192


class PartLog(RotatingFileHandler):
    """Takes a process's output as it comes, in pieces of any size; never raises, a full disk included."""

    terminator = ""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, maxBytes=_MAX_BYTES, backupCount=_OLD_FILES, encoding="utf-8", errors="replace")
        self._written_at = 0.0

    def append(self, piece: bytes) -> None:
        """Write one piece of output behind the others."""
        self._written_at = time.time()
        self.handle(logging.makeLogRecord({"msg": piece.decode(errors="replace")}))

    def last_line(self, since: float) -> str:
        """Return the last line that says anything; an empty string if nothing came since that Unix time in seconds."""
        if self._written_at < since:
            return ""
        try:
            with Path(self.baseFilename).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # logging's name
        """Let a line go that cannot be written: the part itself must not stop for its log."""
