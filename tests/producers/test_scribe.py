"""The scribe: everything once, in order, in one thread, committed in groups; whatever happens to the process."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokentrail.producers.guard import faults
from tokentrail.producers.scribe import Scribe


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_jobs_of_each_thread_are_done_once_in_their_order(counts: list[int]) -> None:
    done: list[tuple[int, int]] = []
    scribe = Scribe()

    def put(thread: int) -> None:
        for number in range(counts[thread]):
            scribe.put(partial(done.append, (thread, number)))

    threads = [threading.Thread(target=put, args=(thread,)) for thread in range(len(counts))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert scribe.close(10)
    for thread, count in enumerate(counts):
        assert [number for who, number in done if who == thread] == list(range(count))


def test_a_commit_follows_the_jobs_it_is_for() -> None:
    log: list[str] = []

    def commit() -> bool:
        log.append("commit")
        return True

    scribe = Scribe(commit)
    scribe.put(lambda: log.append("a"))
    scribe.put(lambda: log.append("b"))

    assert scribe.flush(10)
    assert [entry for entry in log if entry != "commit"] == ["a", "b"]
    assert log[-1] == "commit"


def test_who_waits_for_a_commit_is_told_that_it_failed() -> None:
    scribe = Scribe(lambda: False)
    told: list[bool] = []
    scribe.put(lambda: scribe.after_commit(told.append))

    assert not scribe.flush(10)
    assert told == [False]


def test_a_job_that_fails_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    faults.clear()  # only the first of a kind is told
    done: list[int] = []
    scribe = Scribe()
    scribe.put(lambda: done.append(1 // 0))
    scribe.put(lambda: done.append(2))

    assert scribe.flush(10)
    assert done == [2]
    assert "ZeroDivisionError" in caplog.text


def test_too_many_jobs_are_dropped_and_counted_and_nobody_waits() -> None:
    going, go = threading.Event(), threading.Event()
    done: list[int] = []
    scribe = Scribe(max_jobs=3)

    def hold() -> None:
        going.set()
        go.wait(10)

    scribe.put(hold)
    going.wait(10)
    taken = [scribe.put(partial(done.append, number)) for number in range(5)]
    go.set()

    assert taken == [True, True, True, False, False]
    assert scribe.flush(10)
    assert done == [0, 1, 2]
    assert scribe.dropped == {"overloaded": 2}


def test_too_many_bytes_are_dropped_and_counted_and_small_jobs_go_on() -> None:
    going, go = threading.Event(), threading.Event()
    done: list[int] = []
    scribe = Scribe(max_bytes=50_000)

    def hold() -> None:
        going.set()
        go.wait(10)

    scribe.put(hold)
    going.wait(10)
    taken = [scribe.put(partial(done.append, number), 20_000) for number in range(3)]
    taken.append(scribe.put(partial(done.append, 3), 100))
    go.set()

    assert taken == [True, True, False, True]
    assert scribe.flush(10)
    assert scribe.put(partial(done.append, 4), 50_000)
    assert scribe.close(10)
    assert done == [0, 1, 3, 4]
    assert scribe.dropped == {"overloaded_bytes": 1}


def test_a_finalizer_that_puts_a_job_while_one_is_put_waits_for_nothing(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(FINALIZER)

    ended = subprocess.run([sys.executable, str(program)], capture_output=True, timeout=30, check=False, env=os.environ)

    assert (ended.returncode, ended.stdout.split(), ended.stderr) == (0, [b"finalized", b"put"], b"")


def test_a_group_that_takes_long_is_committed_before_all_of_it_is_done() -> None:
    log: list[str] = []
    work = threading.Event()  # never set

    def commit() -> bool:
        log.append("commit")
        return True

    scribe = Scribe(commit)
    scribe.put(lambda: work.wait(0.05))
    for _ in range(5):
        scribe.put(lambda: log.append("job"))
        scribe.put(lambda: work.wait(0.005))

    assert scribe.flush(10)
    done = "".join(entry[0] for entry in log)
    assert done.count("j") == 5
    assert "jj" not in done


def no_thread(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the system have no thread to give; return a list that grows with each that is asked for."""
    asked: list[int] = []

    def refuse(_thread: threading.Thread) -> None:
        asked.append(1)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    return asked


def test_where_there_is_no_thread_jobs_are_done_and_committed_by_who_puts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = no_thread(monkeypatch)
    log: list[str] = []

    def commit() -> bool:
        log.append("commit")
        return True

    scribe = Scribe(commit)

    for number in range(100):
        assert scribe.put(partial(log.append, str(number)))

    assert log == [entry for number in range(100) for entry in (str(number), "commit")]
    assert len(asked) < 10
    assert scribe.flush(10)
    assert scribe.close(10)


def test_where_there_was_no_thread_one_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int | None] = []
    scribe = Scribe()
    with monkeypatch.context() as meanwhile:
        no_thread(meanwhile)
        scribe.put(lambda: done.append(threading.get_ident()))
    scribe._start_again_s = 0.0

    scribe.put(lambda: done.append(threading.get_ident()))

    assert scribe.flush(10)
    assert scribe._thread is not None
    assert done == [threading.get_ident(), scribe._thread.ident]


def test_a_callback_that_exits_ends_neither_the_caller_nor_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    no_thread(monkeypatch)
    done: list[str] = []

    def commit() -> bool:
        done.append("commit")
        return True

    scribe = Scribe(commit)

    scribe.put(sys.exit)

    assert done == ["commit"]


def test_a_job_that_flushes_where_there_is_no_thread_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    no_thread(monkeypatch)
    flushed: list[bool] = []
    scribe = Scribe()

    scribe.put(lambda: flushed.append(scribe.flush(60)))

    assert flushed == [False]


def test_of_two_forks_at_once_the_one_that_waits_in_vain_does_not_keep_the_other_from_letting_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tokentrail.producers.scribe._PATIENCE_S", 0.01)
    scribe = Scribe()
    scribe._hold()

    def fork_in_vain() -> None:
        scribe._hold()
        scribe._let_go()

    other = threading.Thread(target=fork_in_vain)
    other.start()
    other.join()
    scribe._let_go()

    done = threading.Event()
    scribe.put(done.set)

    assert done.wait(10)


def test_after_the_end_jobs_are_done_on_the_spot() -> None:
    done: list[str] = []
    scribe = Scribe()
    scribe.close()

    scribe.put(lambda: done.append(threading.current_thread().name))

    assert done == [threading.current_thread().name]


def test_after_the_end_a_job_put_by_a_job_comes_behind_it() -> None:
    done: list[str] = []
    scribe = Scribe()
    scribe.close()

    def outer() -> None:
        scribe.put(lambda: done.append("inner"))
        done.append("outer")

    scribe.put(outer)

    assert done == ["outer", "inner"]


def test_it_works_again_after_it_fell_asleep() -> None:
    scribe = Scribe()
    scribe.put(lambda: None)
    assert scribe.flush(10)
    while not scribe._asleep:  # within a tenth of a second
        threading.Event().wait(0.01)
    done = threading.Event()

    scribe.put(done.set)

    assert done.wait(10)


def test_it_beats_while_there_is_something_to_tell_and_again_after_a_job() -> None:
    left = [True, True, False]
    beats: list[int] = []
    ended, beaten = threading.Event(), threading.Event()

    def beat() -> bool:
        beats.append(1)
        beaten.set()
        goes_on = left.pop(0) if left else False
        if not goes_on:
            ended.set()
        return goes_on

    scribe = Scribe(beat=beat, beat_s=0.01)
    scribe.put(lambda: None)
    assert ended.wait(10)
    assert len(beats) >= 3
    while not scribe._asleep:
        threading.Event().wait(0.01)
    beaten.clear()

    scribe.put(lambda: None)

    assert beaten.wait(10)
    scribe.close()


def test_what_is_not_done_when_time_is_up_is_dropped_and_counted_and_the_thread_has_ended() -> None:
    going = threading.Event()
    scribe = Scribe()
    scribe.put(going.set)
    assert going.wait(10)
    pause = threading.Event()
    for _ in range(100):
        scribe.put(lambda: pause.wait(0.01))

    assert not scribe.close(0.05)

    assert scribe.dropped["closed"] > 0
    assert scribe._thread is not None
    assert not scribe._thread.is_alive()


def test_at_the_end_of_a_process_jobs_are_waited_for_as_long_as_they_get_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tokentrail.producers.scribe._PATIENCE_S", 0.2)
    scribe, pause, done = Scribe(), threading.Event(), list[int]()
    for number in range(100):
        scribe.put(lambda: pause.wait(0.005))
        scribe.put(partial(done.append, number))

    assert scribe.drain()

    assert done == list(range(100))


def work_for(seconds: float) -> None:
    """As an import does on an overloaded machine: it gets on, but nothing ends."""
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        pass


WAYS_TO_WAIT: dict[str, Callable[[Scribe], object]] = {"the end of a process": Scribe.drain, "a fork": Scribe._hold}


@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="a thread's work cannot be seen from outside")
@pytest.mark.parametrize("way", WAYS_TO_WAIT)
def test_a_job_that_takes_long_is_waited_for_while_it_gets_on(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokentrail.producers.scribe._PATIENCE_S", 0.05)
    scribe, going, done = Scribe(), threading.Event(), threading.Event()

    def job() -> None:
        going.set()
        work_for(0.2)
        done.set()

    scribe.put(job)
    assert going.wait(10)

    WAYS_TO_WAIT[way](scribe)

    assert done.is_set()
    scribe._let_go()


def test_at_the_end_of_a_process_a_job_that_hangs_is_told_of_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tokentrail.producers.scribe._PATIENCE_S", 0.05)
    scribe, going, go = Scribe(), threading.Event(), threading.Event()

    def hang() -> None:
        going.set()
        go.wait(60)

    scribe.put(hang)
    assert going.wait(10)

    scribe.flush_what_waits()

    assert "The process ends before its last calls are recorded" in caplog.text

    go.set()
    assert scribe.flush(10)


FINALIZER = """
import faulthandler, gc, sys, threading
faulthandler.dump_traceback_later(10, exit=True)
from tokentrail.producers.scribe import Scribe

done = []
scribe = Scribe()
scribe.flush(10)
while not scribe._asleep:
    threading.Event().wait(0.01)

class Stream:
    def __init__(self):
        self.itself = self
    def __del__(self):
        scribe.put(lambda: done.append("finalized"))

gc.disable()
def collect(frame, event, arg):  # as the garbage may be collected at any allocation
    if frame.f_code.co_name == "notify_all":
        gc.collect()

Stream()
sys.setprofile(collect)
scribe.put(lambda: done.append("put"))
sys.setprofile(None)
gc.collect()
scribe.close()
print(*sorted(set(done)), sep="\\n")
"""
PROGRAM = """
import os, sys, threading
from tokentrail.producers.guard import faults
from tokentrail.producers.scribe import Scribe
from tokentrail.producers.process_end import flush_before_os_exit

def write(text):
    os.write(1, text)

scribe = Scribe()
scribe.put(lambda: write(b"parent\\n"))
"""
ENDS = {
    "multiprocessing": """
import multiprocessing
def child():
    scribe.put(lambda: write(b"child\\n"))
process = multiprocessing.get_context("fork").Process(target=child)
process.start(); process.join()
assert process.exitcode == 0
scribe.close()
""",
    "os._exit": """
flush_before_os_exit(scribe.flush_what_waits)
child = os.fork()
if not child:
    scribe.put(lambda: write(b"child\\n"))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
scribe.put(lambda: write(b"last\\n"))
os._exit(0)
""",
    "fork in a job": """
def fork():
    child = os.fork()
    if not child:
        scribe.put(lambda: write(b"child\\n"))
        scribe.flush(10)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
scribe.put(fork)
scribe.close()
""",
}


@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_lost_or_done_twice_where_a_process_ends_without_atexit(end: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + ENDS[end])

    ended = subprocess.run(
        [sys.executable, "-W", "ignore", str(program)], capture_output=True, timeout=30, check=False, env=os.environ
    )

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert sorted(ended.stdout.split()) == sorted({"os._exit": b"parent child last"}.get(end, b"parent child").split())
