"""The scribe: one background thread that does the work of recording in order, and commits it in groups."""

import logging
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from tokentrail.producers.guard import guarded
from tokentrail.producers.process_end import flush_when_child_ends
from tokentrail.producers.suppression import recording

GROUP_S: Final = 0.004
"""From the beginning of one group to that of the next: with the work, and a turn of the interpreter waited for, what is
put is committed within 10 ms."""
_WORK_S: Final = 0.002
"""What has been worked on for so long is committed before the next job is begun."""
_WORK_A_COMMIT: Final = 8
"""Where other threads make commits slow, so much longer is worked for each: else what waits would grow and grow."""
_YIELD_S: Final = 0.0002
EXIT_DEADLINE_S: Final = 2.0
_WAIT_AT_MOST_S: Final = 20.0
"""As many jobs as may wait take some seconds; who ends or forks the process waits for them as long as they go on."""
_PATIENCE_S: Final = 5.0
"""A thread that has done nothing at all for so long is held up by what may never end: perhaps by who waits for it."""
_START_AGAIN_S: Final = 1.0
"""How soon a thread is asked for again from a system that had none to give."""
_LAST_JOB_S: Final = 5.0
_LARGE_BYTES: Final = 8_192
"""Jobs that hold less are bounded by their number alone: counting them would cost every call a lock."""
_LINGER_ROUNDS: Final = 33
"""Rounds without work before the thread goes to sleep: what wakes it costs the caller more than a look costs it."""
_WORKING: Final = guarded("recording a call")
_COMMITTING: Final = guarded("committing records")

_log = logging.getLogger("tokentrail")

Job = Callable[[], object]


class _Told:
    """Waits to be told of a commit."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.wait = self._event.wait
        self.committed = False

    def tell(self, committed: bool) -> None:  # noqa: FBT001 - the one thing a commit has to say
        self.committed = committed
        self._event.set()


class Scribe:
    """Runs jobs one after the other, in the order they were put, each within a few milliseconds.

    `put` never blocks and never raises, wherever it is called, finalizers and signal handlers included; when too many
    jobs wait, or too many bytes with them, a new one is dropped and counted. After every group of jobs `commit` is
    called once, in the same thread. So is `beat` every `beat_s` seconds, until it returns False and from the next job
    on again. The thread starts with the first job and sleeps while there is none. A forked child starts afresh and does
    nothing of its parent's; a fork waits for the group that is being worked on, for at most 20 seconds. What is put
    after `close`, as by finalizers of a program that ends, is done on the spot; so is what is put while the system has
    no thread to give.
    """

    def __init__(
        self,
        commit: Callable[[], bool] = lambda: True,
        *,
        beat: Callable[[], bool] = lambda: False,
        beat_s: float = 60.0,
        max_jobs: int = 20_000,
        max_bytes: int = 268_435_456,
    ) -> None:
        self._commit = commit
        self._beat = beat
        self._beat_s = beat_s
        self._max_jobs = max_jobs
        self._max_bytes = max_bytes
        self._closed = False
        self._begin()
        _scribes.add(self)

    def put(self, job: Job, held_bytes: int = 0) -> bool:
        """Take a job that keeps so many bytes in memory.

        False: it was dropped, and counted: under `overloaded` if too many jobs wait, `overloaded_bytes` if it holds
        too much.
        """
        jobs = self._jobs
        large = held_bytes >= _LARGE_BYTES
        if len(jobs) >= self._max_jobs:
            self.dropped["overloaded"] += 1
            return False
        if large and self._held_bytes + held_bytes > self._max_bytes:
            self.dropped["overloaded_bytes"] += 1
            return False
        jobs.append(self._count_bytes(job, held_bytes) if large else job)
        if self._asleep:
            self._wake()
        return True

    def after_commit(self, told: Callable[[bool], None]) -> None:
        """Have `told` called with the success of the next commit. To be called by a job."""
        self._told.append(told)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything put so far is done and committed. False: time is up, or the commit failed."""
        if self._is_working_here():
            return False
        told = self._ask_for_commit()
        return told.wait(timeout_s) and told.committed

    def flush_what_waits(self) -> None:
        """Drain if anything waits; where the process ends without further notice."""
        if (self._jobs or self._worker) and not self.drain() and self._jobs:
            _log.warning("The process ends before its last calls are recorded: %d steps waited.", len(self._jobs))

    def drain(self, at_most_s: float = _WAIT_AT_MOST_S) -> bool:
        """Flush as long as it takes, but for at most so long, and not where nothing goes on for five seconds.

        False: as in `flush`.
        """
        if self._is_working_here():
            return False
        told = self._ask_for_commit()
        return self._wait_while_working(told.wait, at_most_s) and told.committed

    def close(self, timeout_s: float = EXIT_DEADLINE_S) -> bool:
        """Flush and end the thread; whatever is put from now on is done on the spot. False: as in `flush`."""
        if self._closed:
            return True
        complete = self.flush(timeout_s) if self._jobs or self._thread else True
        self._stopping = True
        self._ring()
        if self._thread is not None:
            # An interpreter that ends while a thread of its is inside a C++ library aborts.
            self._thread.join(_LAST_JOB_S)
        self._closed, self._stopping = True, False
        self._asleep = True  # so that `put` asks `_wake`, which works on the spot
        if complete and self._jobs:  # put since the flush, by threads that are still there
            self._work()
        if self._jobs:
            self.dropped["closed"] += len(self._jobs)
            self._jobs.clear()
            self._held_bytes = 0
        return complete

    def _hold(self) -> None:
        """Let the group end that is being worked on: it may be importing, and a child would have half a module."""
        self._forking.add(threading.get_ident())
        self._wait_while_working(lambda patience_s: self._working.acquire(timeout=patience_s), _WAIT_AT_MOST_S)

    def _let_go(self) -> None:
        self._forking.discard(threading.get_ident())
        try:  # noqa: SIM105 - `suppress` is an import that the host's start need not wait for
            self._working.release()
        except RuntimeError:  # this thread did not have it in time; only who has it can release it
            pass

    def _begin(self) -> None:
        self.dropped: Counter[str] = Counter()
        """Jobs that were not done, by reason."""
        self._jobs: deque[Job] = deque()
        self._told: list[Callable[[bool], None]] = []
        # No Event: one is set under a lock, by Python code, in the middle of which a finalizer may put a job.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._counting = threading.RLock()
        self._held_bytes = 0
        self._starting = threading.RLock()
        self._working = threading.RLock()
        self._forking: set[int] = set()
        self._thread: threading.Thread | None = None
        self._asleep = True
        self._worker = 0
        self._done = 0
        self._cpu_clock: int | None = None
        self._commit_s = 0.0
        self._start_again_s = float("-inf")
        self._flushes_when_child_ends = False
        self._beating = True
        self._next_beat_s = time.monotonic() + self._beat_s
        self._stopping = False
        self._closed = False

    def _is_working_here(self) -> bool:
        return threading.current_thread() is self._thread or threading.get_ident() == self._worker

    def _ask_for_commit(self) -> "_Told":
        told = _Told()
        self._jobs.append(lambda: self.after_commit(told.tell))
        self._wake()
        return told

    def _wait_while_working(self, wait: Callable[[float], bool], at_most_s: float) -> bool:
        """Wait in turns for as long as the work goes on. False: it does not, or time is up."""
        end_s = time.monotonic() + at_most_s
        progress: object = self._progress()
        while not wait(max(0.0, min(_PATIENCE_S, end_s - time.monotonic()))):
            before, progress = progress, self._progress()
            if progress == before or time.monotonic() >= end_s:
                return False
        return True

    def _progress(self) -> tuple[int, float]:
        """Return what changes while the thread works, or waits for its turn; if it waits for a lock, nothing does."""
        cpu_s = 0.0
        if self._cpu_clock is not None:
            try:  # noqa: SIM105 - `suppress` is an import that the host's start need not wait for
                cpu_s = time.clock_gettime(self._cpu_clock)
            except OSError:  # the thread has ended
                pass
        return self._done, cpu_s

    def _wake(self) -> None:
        if not self._closed and (self._thread is not None or self._start()):
            self._ring()
        else:
            self._work()

    def _ring(self) -> None:
        try:  # noqa: SIM105 - on the way of calls, and `suppress` takes five times as long
            self._bell.release()
        except RuntimeError:  # it has been rung already
            pass

    def _count_bytes(self, job: Job, held_bytes: int) -> Job:
        with self._counting:
            self._held_bytes += held_bytes

        def run() -> None:
            with self._counting:
                self._held_bytes -= held_bytes
            job()

        return run

    def _start(self) -> bool:
        """Return whether there is a thread now."""
        with self._starting:
            if self._thread is not None:
                return True
            if time.monotonic() < self._start_again_s:
                return False
            if not self._flushes_when_child_ends:
                self._flushes_when_child_ends = True
                flush_when_child_ends(self.flush_what_waits)
            thread = threading.Thread(target=self._run, name="tokentrail-scribe", daemon=True)
            self._thread = thread
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending, or the system has no thread to give
                self._thread = None
                self._start_again_s = time.monotonic() + _START_AGAIN_S
                return False
            return True

    def _run(self) -> None:
        recording.set(True)  # in this thread: what an outlet itself asks a provider would be recorded for ever
        if hasattr(time, "pthread_getcpuclockid"):  # macOS has none
            self._cpu_clock = time.pthread_getcpuclockid(threading.get_ident())
        idle_rounds = 0
        while not (self._closed or self._stopping):
            began_s = time.monotonic()
            if began_s >= self._next_beat_s:
                self._do_beat()
            if self._jobs:
                self._asleep = False
                self._work(began_s + max(_WORK_S, _WORK_A_COMMIT * self._commit_s))
                idle_rounds = 0
            elif idle_rounds < _LINGER_ROUNDS:
                idle_rounds += 1
            else:
                self._sleep()
                idle_rounds = 0
                began_s = time.monotonic()
            self._pause(began_s)

    def _pause(self, began_s: float) -> None:
        """Let jobs gather, unless the round has taken so long that they have, and no fork waits for its turn."""
        took_s = time.monotonic() - began_s
        if took_s < _WORK_S or not self._jobs or self._forking:
            time.sleep(max(_YIELD_S, GROUP_S - took_s))

    def _do_beat(self) -> None:
        self._next_beat_s = time.monotonic() + self._beat_s
        with self._working, _WORKING:
            self._beating = self._beat()
            self._commit()

    def _sleep(self) -> None:
        self._bell.acquire(blocking=False)
        self._asleep = True
        if not self._jobs and not self._stopping:  # one may have come between the last look and the line above
            self._bell.acquire(timeout=max(0.0, self._next_beat_s - time.monotonic()) if self._beating else -1)
        self._asleep = self._closed

    def _work(self, until_s: float = float("inf")) -> None:
        with self._working:  # after the end, threads that are still there work for themselves
            if self._worker:  # a finalizer or a signal handler in the middle of a group: its jobs come behind that
                return
            self._worker = threading.get_ident()
            try:
                self._do_group(until_s)
                while self._closed and self._jobs:
                    self._do_group(until_s)
            finally:
                self._worker = 0

    def _do_group(self, until_s: float) -> None:
        jobs = self._jobs
        self._beating = True
        while jobs and not self._stopping:
            try:
                job = jobs.popleft()
            except IndexError:
                break
            try:
                with _WORKING:
                    job()
            except SystemExit:  # of a callback; the thread is not its to end
                _WORKING.note(RuntimeError("SystemExit"))
            self._done += 1
            if time.monotonic() >= until_s:
                break
        began_s = time.monotonic()
        committed = False
        with _COMMITTING:
            committed = self._commit()
        self._commit_s = time.monotonic() - began_s
        told, self._told = self._told, []
        for tell in told:
            with _COMMITTING:
                tell(committed)


def _before_fork() -> None:
    for scribe in list(_scribes):
        scribe._hold()  # noqa: SLF001 - this module's own class


def _after_fork_in_parent() -> None:
    for scribe in list(_scribes):
        scribe._let_go()  # noqa: SLF001 - this module's own class


def _after_fork_in_child() -> None:
    for scribe in list(_scribes):
        scribe._begin()  # noqa: SLF001 - this module's own class


_scribes: "weakref.WeakSet[Scribe]" = weakref.WeakSet()
os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
