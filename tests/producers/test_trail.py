"""The process's own trail across a fork."""

import os
import subprocess
import sys

from tokentrail.producers import trail

FORK_IN_THE_FIRST_CALL = """
import os, threading
from tokentrail.producers import bus, trail
from tokentrail.producers.calls import Call

making, forked = threading.Event(), threading.Event()
make = bus.open_bus

def make_slowly(settings, **options):
    making.set()
    forked.wait()
    return make(settings, **options)

bus.open_bus = make_slowly
threading.Thread(target=trail.default_recorder).start()
making.wait()
child = os.fork()
if child:
    forked.set()
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
bus.open_bus = make
trail.default_scribe().started(Call(), 1)
assert trail.default_scribe().flush(10)
os._exit(0)
"""


def test_a_child_forked_while_another_thread_makes_the_first_recorder_can_record() -> None:
    environ = {**os.environ, "TOKENTRAIL_KAFKA": "127.0.0.1:1"}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK_IN_THE_FIRST_CALL]

    with subprocess.Popen(command, env=environ, start_new_session=True) as process:
        try:
            assert process.wait(20) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)


def test_one_service_has_one_recorder() -> None:
    assert trail.default_recorder("checkout", "test") is trail.default_recorder("checkout", "test")
    assert trail.default_recorder("checkout", "test") is not trail.default_recorder("search", "test")
