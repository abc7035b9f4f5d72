"""What the first call of a process needs is there before it: a late import is a late record."""

from pathlib import Path

from host_program import run_host

FIRST_CALL = """
from tokentrail.producers.trail import default_scribe
default_scribe().flush(20)
before = set(sys.modules)
ask("first")
default_scribe().flush(20)
late = {name for name in set(sys.modules) - before if name.startswith("tokentrail")}
assert not late, late
"""


def test_the_first_call_of_a_process_has_nothing_left_to_import(environ: dict[str, str], tmp_path: Path) -> None:
    run_host(FIRST_CALL, environ, tmp_path, timeout_s=60)
