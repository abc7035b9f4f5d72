"""One stack at a time on a data directory."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tokentrail.errors import AlreadyRunningError, StackError


@contextmanager
def data_lock(data: Path) -> Iterator[None]:
    """Own a data directory for the length of a `with`; the lock goes with the process, however that ends.

    Raises:
        AlreadyRunningError: another process owns it.
        StackError: the directory cannot be made or written.
    """
    path = data / "run" / "stack.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+", encoding="ascii")
    except OSError as error:
        raise StackError(f"{data} cannot be written ({error.strerror}); name another directory with --data.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRunningError(
                f"A stack already runs on {data} (pid {lock.read().strip() or 'unknown'}). Use it, stop it, or name "
                "another directory with --data."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
