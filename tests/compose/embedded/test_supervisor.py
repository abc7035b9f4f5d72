"""The supervisor, with small real processes as its parts."""

import asyncio
import os
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tokentrail.compose.embedded.backoff import Backoff
from tokentrail.compose.embedded.part import Part, PartState, PartStatus
from tokentrail.compose.embedded.part_log import PartLog
from tokentrail.compose.embedded.supervisor import Supervisor
from tokentrail.errors import StackError

_WORKER = """
    import signal, sys
    from tokentrail.readiness import report_ready, report_state
    signal.signal(signal.SIGTERM, lambda *_: (print("ended cleanly", flush=True), sys.exit(0)))
    print("working", flush=True)
    report_state("counting to infinity")
    report_ready()
    while True:
        signal.pause()
"""


def _part(name: str, code: str = _WORKER, ready_within_s: float = 60, stop_within_s: float = 20) -> Part:
    return Part(
        name=name,
        command=(sys.executable, "-c", textwrap.dedent(code)),
        environ=dict(os.environ),
        ready_within_s=ready_within_s,
        stop_within_s=stop_within_s,
    )


@pytest.fixture
def changes() -> list[tuple[str, PartState]]:
    return []


@pytest.fixture
async def supervisor(tmp_path: Path, changes: list[tuple[str, PartState]]) -> AsyncIterator[Supervisor]:
    def note(status: PartStatus) -> None:
        if (status.name, status.state) not in changes[-1:]:
            changes.append((status.name, status.state))

    running = Supervisor(tmp_path / "logs", note)
    yield running
    await running.stop()


async def test_a_part_is_ready_when_it_says_so_and_shows_what_it_does(supervisor: Supervisor, tmp_path: Path) -> None:
    await supervisor.start(_part("a"))
    status = supervisor.status("a")
    assert (status.state, status.detail) == (PartState.READY, "counting to infinity")
    await supervisor.stop()
    assert (tmp_path / "logs" / "a.log").read_text().split("\n")[:2] == ["working", "ended cleanly"]


async def test_a_part_that_is_killed_is_started_again(supervisor: Supervisor) -> None:
    await supervisor.start(_part("a"))
    first = supervisor.status("a").pid
    for restarts in (1, 2):
        await supervisor.kill("a")
        assert supervisor.status("a").state is PartState.RESTARTING
        assert "killed by SIGKILL" in supervisor.status("a").detail
        await supervisor.wait_ready("a", restarts=restarts)
    assert supervisor.status("a").restarts == 2
    assert supervisor.status("a").pid not in {None, first}


def test_last_words_are_those_of_the_end_and_never_older(tmp_path: Path) -> None:
    log = PartLog(tmp_path / "a.log")
    before = time.time()
    log.append(b"first\nout of luck\n\n")
    assert log.last_line(since=before) == "out of luck"
    assert not log.last_line(since=time.time() + 1)
    assert not PartLog(tmp_path / "a.log").last_line(since=before)


async def test_a_process_that_dies_in_silence_is_not_given_the_words_of_the_one_before(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    silent_later = """
        import os, signal, sys
        from pathlib import Path
        from tokentrail.readiness import report_ready
        marker = Path(os.environ["MARKER"])
        if not marker.exists():
            marker.touch()
            sys.exit("no such luck")
        report_ready()
        signal.pause()
    """
    part = _part("a", silent_later)
    await supervisor.start(replace(part, environ={**part.environ, "MARKER": str(tmp_path / "marker")}))
    assert supervisor.status("a").restarts == 1
    await supervisor.kill("a")
    assert supervisor.status("a").detail.endswith("; killed by SIGKILL")


async def test_parts_stop_in_reverse_order_each_before_the_next(
    supervisor: Supervisor, changes: list[tuple[str, PartState]]
) -> None:
    await supervisor.start(_part("first"))
    await supervisor.start(_part("second"))
    changes.clear()
    await supervisor.stop()
    assert changes == [
        ("second", PartState.STOPPING),
        ("second", PartState.STOPPED),
        ("first", PartState.STOPPING),
        ("first", PartState.STOPPED),
    ]


async def test_a_part_that_ignores_its_stop_is_killed(supervisor: Supervisor) -> None:
    deaf = _WORKER.replace("lambda *_: (", "lambda *_: (0, ").replace(", sys.exit(0)", "")
    await supervisor.start(_part("deaf", deaf, stop_within_s=0.1))
    pid = supervisor.status("deaf").pid
    assert pid
    await supervisor.stop()
    assert not psutil.pid_exists(pid)


async def test_a_part_that_cannot_start_is_one_sentence_with_its_last_words(supervisor: Supervisor) -> None:
    with pytest.raises(StackError, match=r"broken does not start: exit status 1: no such luck \(its log: "):
        await supervisor.start(_part("broken", "raise SystemExit('no such luck')"))


async def test_a_part_that_never_says_ready_is_given_up_after_its_time(supervisor: Supervisor) -> None:
    with pytest.raises(StackError, match="mute was not ready within 0 s"):
        await supervisor.start(_part("mute", "import signal; signal.pause()", ready_within_s=0.2))


async def test_a_program_that_does_not_exist_is_named(supervisor: Supervisor) -> None:
    missing = Part(name="missing", command=("/no/such/program",), environ={})
    with pytest.raises(StackError, match=r"missing does not start: .*No such file"):
        await supervisor.start(missing)


async def test_a_probe_decides_about_parts_that_cannot_say_ready(supervisor: Supervisor) -> None:
    open_gate = asyncio.Event()
    probed = Part(
        name="probed",
        command=(sys.executable, "-c", "import signal; signal.pause()"),
        environ=dict(os.environ),
        probe=lambda: _pass(open_gate),
    )
    starting = asyncio.create_task(supervisor.start(probed))
    while not supervisor.statuses or supervisor.status("probed").state is not PartState.STARTING:  # noqa: ASYNC110 # its own state
        await asyncio.sleep(0)
    open_gate.set()
    await starting
    assert supervisor.status("probed").state is PartState.READY


async def _pass(gate: asyncio.Event) -> None:
    await gate.wait()


async def test_no_process_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = f"""
        import asyncio, os, sys
        from pathlib import Path
        from tokentrail.compose.embedded.part import Part
        from tokentrail.compose.embedded.supervisor import Supervisor
        async def main():
            supervisor = Supervisor(Path({str(tmp_path)!r}))
            command = (sys.executable, "-c", {textwrap.dedent(_WORKER)!r})
            await supervisor.start(*(Part(name=name, command=command, environ=dict(os.environ)) for name in "ab"))
            print(*(status.pid for status in supervisor.statuses), flush=True)
            await asyncio.Event().wait()
        asyncio.run(main())
    """
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(script), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout
    children = [psutil.Process(int(pid)) for pid in (await supervisor.stdout.readline()).split()]
    assert len(children) == 2
    supervisor.send_signal(signal.SIGKILL)
    await supervisor.wait()
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=30)
    # Where nobody collects orphans, one that has ended stays in the process table.
    assert [child for child in alive if child.status() != psutil.STATUS_ZOMBIE] == []


def test_each_death_in_a_row_doubles_the_wait_up_to_half_a_minute_and_a_long_life_starts_over() -> None:
    backoff = Backoff()
    delays_s = [backoff.next_delay_s(ran_for_s=1) for _ in range(10)]
    assert delays_s[:4] == [0.2, 0.4, 0.8, 1.6]
    assert delays_s[-1] == 30
    assert backoff.next_delay_s(ran_for_s=31) == 0.2
