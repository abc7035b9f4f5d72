"""SIGKILL at any moment: what was accepted 10 ms earlier is in the spool, once, in order."""

import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

import pytest
from host_program import HEAD, host_environ, keep_figures
from spool_log import read_whole_chains

COMMITTED_WITHIN_MS = 10.0
NEVER_AFTER_MS = 1_000.0
BEAT_S = 0.004
"""As often as the scribe commits."""
KILLED = """
import mmap, struct
from tokentrail.producers import scribe as scribes
from tokentrail.producers.trail import default_scribe
scribes.GROUP_S = GROUP_S or scribes.GROUP_S
default_scribe().flush(20)  # what it imports at the start is there

# Pages of a shared file outlive the process, and to note a moment in them takes no system call.
with open("accepted", "w+b") as file:
    file.truncate(1 << 20)
    accepted = mmap.mmap(file.fileno(), 1 << 20)
put, count = scribes.Scribe.put, 0

def put_and_note(scribe, job, held_bytes=0):
    global count
    struct.pack_into("<q", accepted, 8 * count, time.monotonic_ns())
    count += 1
    return put(scribe, job, held_bytes)

beats = os.open("beats", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def beat():
    os.write(beats, struct.pack("<q", time.monotonic_ns()))

def go_on_beating():  # the least that any thread of this process needs to bring something to the disk
    while True:
        time.sleep(BEAT_S)
        beat()

beat()
scribes.Scribe.put = put_and_note
threading.Thread(target=go_on_beating, daemon=True).start()
os.write(1, b"%d\\n" % os.getpid())
number = 0
while True:
    ask(f"call-{number}")
    number += 1
"""


NURSERY = """
import os, sys
import requests
import tokentrail.producers.redaction.policy, tokentrail.producers.rehearsal, tokentrail.producers.shims.install
import tokentrail.producers.spool.bus, tokentrail.producers.wire.openai_chat
for line in sys.stdin:
    child = os.fork()
    if not child:
        os.chdir(line.strip())
        os.environ["TOKENTRAIL_SPOOL"] = os.path.join(os.getcwd(), "spool")
        exec(open("program.py").read(), {"__name__": "__main__"})
    os.waitpid(child, 0)
    os.write(1, b"dead\\n")
"""


class Kill(NamedTuple):
    """What a killed program has left. Milliseconds before the kill."""

    accepted: int
    kept: int
    missing_ms: float
    """Age of the oldest event that is missing; 0 if none is."""
    stalled_ms: float
    """For how long of this a bare thread of the same process did not come to its turn."""
    beat_ms: float
    """Age of the last beat of that thread."""

    @property
    def late_ms(self) -> float:
        """How long the oldest missing event had waited while the process could run."""
        return self.missing_ms - self.stalled_ms


class Nursery:
    """Bears programs that make calls, and kills them.

    Each is forked off before anything is installed: it installs as a process of its own does, but has not to import
    everything anew, which takes longer than all the rest.
    """

    def __init__(self, provider_url: str, folder: Path) -> None:
        self._folder = folder
        self._born = 0
        command = [sys.executable, "-W", "ignore", "-c", NURSERY]
        environ = host_environ(provider_url, folder)
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, env=environ, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def kill_one(self, after_s: float, group_s: float | None = None) -> Kill:
        """Kill a program so many seconds after it began to make calls."""
        folder = self._folder / str(self._born)
        folder.mkdir()
        self._born += 1
        body = KILLED.replace("BEAT_S", str(BEAT_S)).replace("GROUP_S or", f"{group_s} or")
        (folder / "program.py").write_text(HEAD + body)
        told, tell = self._process.stdout, self._process.stdin
        assert told is not None
        assert tell is not None
        tell.write(f"{folder}\n")
        tell.flush()
        child = int(told.readline())
        time.sleep(after_s)
        killed_ns = time.monotonic_ns()
        os.kill(child, signal.SIGKILL)
        assert told.readline() == "dead\n"
        return examine(folder, killed_ns)


@pytest.fixture
def nursery(provider_url: str, tmp_path: Path) -> Iterator[Nursery]:
    with Nursery(provider_url, tmp_path) as made:
        yield made


def examine(folder: Path, killed_ns: int) -> Kill:
    """Compare what was accepted with what is in the spool; its chains are whole, and nothing is in it twice."""
    accepted = [moment for moment in moments((folder / "accepted").read_bytes()) if 0 < moment < killed_ns]
    beats = [*moments((folder / "beats").read_bytes()), killed_ns]
    kept = len(read_whole_chains(folder / "spool"))
    missing = accepted[kept:]
    return Kill(
        accepted=len(accepted),
        kept=kept,
        missing_ms=(killed_ns - missing[0]) / 1e6 if missing else 0.0,
        stalled_ms=stalled_ns(beats, missing[0]) / 1e6 if missing else 0.0,
        beat_ms=(killed_ns - beats[-2]) / 1e6,
    )


def moments(encoded: bytes) -> list[int]:
    return [moment for (moment,) in struct.iter_unpack("<q", encoded[: len(encoded) // 8 * 8])]


def stalled_ns(beats: list[int], since_ns: int) -> int:
    """Return by how much the beats since then were late, together."""
    late = 0
    for one, following in pairwise(beats):
        if following > since_ns:
            late += max(0, min(following - one - int(BEAT_S * 1e9), following - max(one, since_ns)))
    return late


def test_of_a_stall_counts_what_falls_into_the_time_that_is_looked_at() -> None:
    ms = 1_000_000
    beats = [0, 4 * ms, 14 * ms, 18 * ms, 28 * ms]

    assert stalled_ns(beats, 0) == 12 * ms
    assert stalled_ns(beats, 10 * ms) == 10 * ms
    assert stalled_ns(beats, 27 * ms) == 1 * ms


def test_kill_9_loses_nothing_older_than_a_group_commit(nursery: Nursery) -> None:
    chance = random.Random(3)

    kills = [nursery.kill_one(chance.uniform(0, 0.6)) for _ in range(3)]

    # Far more than the 10 ms it takes: other tests may have the processors. `make soak` looks at the 10 ms.
    assert max(kill.missing_ms for kill in kills) < 500
    assert sum(kill.kept for kill in kills) > 0


def test_a_commit_that_comes_late_is_found(nursery: Nursery) -> None:
    chance = random.Random(1)

    kills = [nursery.kill_one(chance.uniform(0.1, 0.4), group_s=0.05) for _ in range(6)]

    with pytest.raises(AssertionError):
        assert_no_later_than_a_bare_thread(summary(kills))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_kill_9_five_hundred_times(nursery: Nursery) -> None:
    chance = random.Random(500)
    began_s = time.monotonic()
    kills: list[Kill] = []
    for number in range(500):
        kills.append(nursery.kill_one(chance.uniform(0, 0.4)))  # the random moment
        if kills[-1].missing_ms > COMMITTED_WITHIN_MS:
            print(number, kills[-1])  # noqa: T201 - a soak's figures are read by people
    figures = summary(kills)
    keep_figures("kill -9", {**figures, "seconds": round(time.monotonic() - began_s)})

    assert_no_later_than_a_bare_thread(figures)


def assert_no_later_than_a_bare_thread(figures: dict[str, float]) -> None:
    """Hold a campaign to the 10 ms, but for what the machine, or the host's other threads, withhold from any thread.

    Threads are not held up all at once. Allowed are one kill in a hundred, or one in ten of those that find the bare
    thread late, at which it was this one alone. However it was held up, nothing may be missing after a second.
    """
    allowed = max(figures["kills"] / 100, figures["bare_thread_after_10_ms"] / 10)
    assert figures["missing_after_10_ms_without_stalls"] <= allowed, figures
    assert figures["oldest_missing_ms_max"] < NEVER_AFTER_MS, figures


def summary(kills: list[Kill]) -> dict[str, float]:
    """Return the figures of a campaign."""
    missing = sorted(kill.missing_ms for kill in kills)
    return {
        "kills": len(kills),
        "events_accepted": sum(kill.accepted for kill in kills),
        "events_kept": sum(kill.kept for kill in kills),
        "doubled": 0,
        "oldest_missing_ms_p50": round(missing[len(missing) // 2], 1),
        "oldest_missing_ms_p99": round(missing[len(missing) * 99 // 100], 1),
        "oldest_missing_ms_max": round(missing[-1], 1),
        "missing_after_10_ms": sum(kill.missing_ms > COMMITTED_WITHIN_MS for kill in kills),
        "missing_after_10_ms_without_stalls": sum(kill.late_ms > COMMITTED_WITHIN_MS for kill in kills),
        "bare_thread_after_10_ms": sum(kill.beat_ms > COMMITTED_WITHIN_MS for kill in kills),
        "bare_thread_ms_max": round(max(kill.beat_ms for kill in kills), 1),
    }
