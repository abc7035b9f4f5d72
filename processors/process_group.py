"""Process groups: processes that work on one task, post messages to each other, and report to who started them.

What they send is bytes; both directions are bounded, so nobody runs ahead of who is to read it.
"""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from queue import Empty, Full, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

import msgspec

from tokentrail.errors import SourceError, TokentrailError
from tokentrail.garbage import collect_rarely

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

_SWITCH_INTERVAL_S: Final = 0.0005
"""The threads that send and receive have little to do, but must not wait for 5 ms each time."""
_WAITING: Final = 16
"""Messages that may wait to be sent to one process, and to be taken in by one."""


class Report(msgspec.Struct, array_like=True, kw_only=True):
    """What a process tells the one that started it; others add fields of their own."""

    fraction: float = 0.0
    """How much of its work is done."""
    is_last: bool = False
    error: str = ""
    """Why it cannot go on; it ends."""


R = TypeVar("R", bound=Report)
Send = Callable[[Report], None]
Work = Callable[[Any, int, "Post", Send], None]
_encode = msgspec.msgpack.Encoder().encode


class ProcessGroup(Generic[R]):
    """Processes and their pipes, ended with the block. `work` runs in each, with the task, its number, a post, a send.

    `work` and the task must be picklable. Errors of the tree that `work` raises are raised here by `reports`.
    """

    def __init__(self, work: Work, task: Any, processes: int, report: type[R]) -> None:
        context = multiprocessing.get_context("spawn")
        numbers = range(processes)
        pipes = {(a, b): context.Pipe(duplex=False) for a in numbers for b in numbers if a != b}
        self._decode = msgspec.msgpack.Decoder(report).decode
        self._reports: dict[Connection, int] = {}
        self._started: list[SpawnProcess] = []
        ends: list[Connection] = []
        for number in numbers:
            reading, writing = context.Pipe(duplex=False)
            self._reports[reading] = number
            inboxes = [pipes[other, number][0] for other in numbers if other != number]
            outboxes = {other: pipes[number, other][1] for other in numbers if other != number}
            process = context.Process(target=_run, args=(work, task, number, inboxes, outboxes, writing), daemon=True)
            self._started.append(process)
            ends += [writing, *inboxes, *outboxes.values()]
        self._ends = ends

    def __enter__(self) -> Self:
        for process in self._started:
            process.start()
        for end in self._ends:
            end.close()  # the processes have them; here they would keep a broken pipe from showing
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.terminate()
        for process in self._started:
            process.join()
        for reading in self._reports:
            reading.close()

    def reports(self) -> Iterator[tuple[int, R]]:
        """Yield what the processes report, with the number of who does, until each has sent its last.

        Raises:
            TokentrailError: one cannot go on, and says why.
            SourceError: one has ended without its last report.
        """
        open_ends = dict(self._reports)
        lost: list[int] = []
        while open_ends:
            for ready in wait(list(open_ends)):
                assert isinstance(ready, Connection)  # noqa: S101 - nothing else is waited for
                number = open_ends[ready]
                try:
                    report = self._decode(ready.recv_bytes())
                except EOFError:
                    del open_ends[ready]
                    lost.append(number)  # the others end as well; one of them may have said why
                    continue
                if report.error:
                    raise TokentrailError(report.error)
                if report.is_last:
                    del open_ends[ready]
                yield number, report
        for number in lost:
            self._started[number].join()
            raise SourceError(
                f"A process of this replay has ended before its time, with status {self._started[number].exitcode} "
                "(-9: killed, perhaps for want of memory); try again with --processes 1."
            )


def _run(  # noqa: PLR0913, PLR0917 - a process gets all that it has as arguments
    work: Work,
    task: Any,
    number: int,
    inboxes: list[Connection],
    outboxes: dict[int, Connection],
    up: Connection,
) -> None:
    """Run one process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the process that asked ends the others
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    collect_rarely()

    def send(report: Report) -> None:
        up.send_bytes(_encode(report))

    # A broken pipe: whoever asked is gone, or one of the others, which has said why.
    with suppress(BrokenPipeError, EOFError):
        try:
            work(task, number, Post(inboxes, outboxes), send)
        except TokentrailError as error:
            send(Report(error=str(error)))


class Post:
    """Messages to and from the other processes, sent and received by threads; bounded in both directions."""

    def __init__(self, inboxes: list[Connection], outboxes: dict[int, Connection]) -> None:
        self.others = list(outboxes)
        self._received: Queue[tuple[int, bytes | None]] = Queue(_WAITING)
        self._outgoing: dict[int, Queue[bytes]] = {other: Queue(_WAITING) for other in outboxes}
        for other, outbox in outboxes.items():
            Thread(target=self._send, args=(outbox, self._outgoing[other]), daemon=True).start()
        for other, inbox in zip(self.others, inboxes, strict=True):
            Thread(target=self._receive, args=(other, inbox), daemon=True).start()

    def offer(self, other: int, encoded: bytes) -> bool:
        """Send to one process; False: it has too much waiting, take in what it sends and try again."""
        try:
            self._outgoing[other].put_nowait(encoded)
        except Full:
            return False
        return True

    def take(self, timeout_s: float | None = 0.0) -> tuple[int, bytes | None] | None:
        """Return who sent, and a message, or None where the sender is gone; None: nothing came (None: wait for it)."""
        try:
            return self._received.get(timeout=timeout_s) if timeout_s != 0.0 else self._received.get_nowait()
        except Empty:
            return None

    def flush(self) -> None:
        """Wait until everything is sent."""
        for outgoing in self._outgoing.values():
            outgoing.join()

    @staticmethod
    def _send(outbox: Connection, outgoing: "Queue[bytes]") -> None:
        broken = False
        while True:
            encoded = outgoing.get()
            try:
                if not broken:
                    outbox.send_bytes(encoded)
            except OSError:
                broken = True  # told by the receiving side; what is still put here must not block
            outgoing.task_done()

    def _receive(self, other: int, inbox: Connection) -> None:
        try:
            while True:
                self._received.put((other, inbox.recv_bytes()))
        except (EOFError, OSError):
            self._received.put((other, None))
