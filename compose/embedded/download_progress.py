"""How a download shows itself: a bar on a terminal, a line now and then elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

_PLAIN_EVERY_FILES: Final = 15


class DownloadProgress:
    """Progress of several files downloaded together; its methods may be called from any thread."""

    def __init__(self, what: str, files: int, console: Console | None = None) -> None:
        self._what = what
        self._files = files
        self._done = 0
        self._total_bytes = 0
        self._console = console or Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("Downloading {task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("{task.fields[done]} of {task.fields[files]} files"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task(what, total=None, files=files, done=0)

    def __enter__(self) -> Self:
        """Show the download from now on."""
        self._progress.start()
        self._say(f"Downloading {self._what}: {self._files} files, once for this user.")
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        self._progress.stop()

    @contextmanager
    def file(self, _name: str, size_bytes: int) -> Iterator[Callable[[int], None]]:
        """Count one file in; yields what is to be called with the number of bytes of each piece that came."""
        self._total_bytes += size_bytes
        yield lambda count: self._progress.advance(self._task, count)

    def file_done(self) -> None:
        """Count one file as complete."""
        self._done += 1
        finished = self._done == self._files
        # Sizes are known one by one, as files begin; a total before the end would make the bar run backwards.
        self._progress.update(self._task, done=self._done, total=self._total_bytes if finished else None)
        if finished or self._done % _PLAIN_EVERY_FILES == 0:
            self._say(f"  {self._done} of {self._files} files")

    def _say(self, line: str) -> None:
        if not self._console.is_terminal:
            self._console.print(line)
