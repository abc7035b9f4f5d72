"""`tokentrail run` becomes the program, records in every interpreter below it, and never stands in its way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tokentrail.cli.run import run_environ

COMMAND = [sys.executable, "-m", "tokentrail.cli.main", "run"]
# Stands in for the real one where a test is about how it is called, or how it fails.
RECORDING = """
import os, sys
def install():
    sys.stdout.write(f"installed for {os.environ.get('TOKENTRAIL_SERVICE')}\\n")
    sys.stdout.flush()
"""
FAILING = "raise ImportError('no such thing as sk-0123456789')"


def stub(directory: Path, content: str) -> dict[str, str]:
    """Return an environment whose `tokentrail` is this module, and nothing of the test's own surroundings."""
    (directory / "tokentrail.py").write_text(content)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("TOKENTRAIL", "PYTHON"))}
    return {**environ, "PYTHONPATH": str(directory)}


def run(program: str, environ: dict[str, str], *, service: str | None = "checkout") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env=run_environ(environ, service), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_every_interpreter_below_is_recorded(tmp_path: Path) -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(2)']); print(1)"
    assert run(child, stub(tmp_path, RECORDING)).stdout.split("\n") == [
        "installed for checkout",
        "installed for checkout",
        "2",
        "1",
        "",
    ]


def test_spawned_processes_are_recorded(tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text(
        "import multiprocessing\n"
        "def work(): print('work')\n"
        "if __name__ == '__main__':\n"
        "    process = multiprocessing.get_context('spawn').Process(target=work)\n"
        "    process.start(); process.join()\n"
    )
    environ = run_environ(stub(tmp_path, RECORDING), "checkout")
    ran = subprocess.run([sys.executable, script], env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.count("installed") >= 2
    assert "work" in ran.stdout


@pytest.mark.parametrize("content", [FAILING, "", "def install(): raise OSError('sk-0123456789')"])
def test_a_program_runs_when_the_recording_cannot_be_loaded(tmp_path: Path, content: str) -> None:
    ran = run("print('alive')", stub(tmp_path, content))
    assert (ran.returncode, ran.stdout) == (0, "alive\n")
    assert ran.stderr.startswith("tokentrail: calls of this program are not recorded")
    assert ran.stderr.count("\n") == 1
    assert "sk-" not in ran.stderr


def test_the_users_own_sitecustomize_runs_and_is_the_one_to_be_imported(tmp_path: Path) -> None:
    environ = stub(tmp_path, RECORDING)
    (tmp_path / "sitecustomize.py").write_text("print('own'); MARK = 7")
    ran = run("import sitecustomize, sys; print(sitecustomize.MARK, sitecustomize.__file__)", environ)
    assert ran.stdout.split("\n")[1:3] == ["own", f"7 {tmp_path / 'sitecustomize.py'}"]


def test_a_sitecustomize_that_fails_is_reported_as_ever(tmp_path: Path) -> None:
    environ = stub(tmp_path, RECORDING)
    (tmp_path / "sitecustomize.py").write_text("raise RuntimeError('own mistake')")
    ran = run("print('alive')", environ)
    assert "alive" in ran.stdout
    assert "own mistake" in ran.stderr


def test_the_program_finds_its_path_as_without_us(tmp_path: Path) -> None:
    environ = stub(tmp_path, RECORDING)
    program = "import sys; print([entry for entry in sys.path if 'bootstrap' in entry])"
    assert run(program, environ).stdout.split("\n")[1] == "[]"


def test_environment_is_the_callers_with_the_bootstrap_in_front() -> None:
    made = run_environ({"PYTHONPATH": "/a:/b", "X": "y", "TOKENTRAIL_SERVICE": "old"}, None)
    first, *rest = made["PYTHONPATH"].split(os.pathsep)
    assert (Path(first) / "sitecustomize.py").exists()
    assert (rest, made["X"], made["TOKENTRAIL_SERVICE"]) == (["/a", "/b"], "y", "old")
    assert run_environ(made, "new")["PYTHONPATH"] == made["PYTHONPATH"]
    assert run_environ(made, "new")["TOKENTRAIL_SERVICE"] == "new"


@pytest.mark.parametrize("dashes", [["--"], []])
def test_exit_status_and_arguments_are_the_programs_own(dashes: list[str]) -> None:
    program = "import sys; print(sys.argv[1:]); sys.exit(7)"
    ran = subprocess.run(
        [*COMMAND, "--service", "checkout", *dashes, sys.executable, "-c", program, "--service", "--"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (7, "['--service', '--']\n")


def test_signals_reach_the_program_itself() -> None:
    program = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    with subprocess.Popen(
        [*COMMAND, "--", sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ([], 2, "no program is named"),
        (["--", "no-such-program"], 127, "no-such-program is not found"),
        (["--", "./app.py"], 126, "python ./app.py"),
    ],
)
def test_a_program_that_cannot_be_run_is_told_in_one_sentence(
    tmp_path: Path, command: list[str], status: int, words: str
) -> None:
    (tmp_path / "app.py").write_text("")
    ran = subprocess.run([*COMMAND, *command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stdout) == (status, "")
    assert words in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_what_is_installed_is_the_recording_itself() -> None:
    program = "import httpx2; print(hasattr(httpx2.HTTPTransport.handle_request, '__wrapped__'))"
    bare = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    ran = subprocess.run(
        [*COMMAND, "--", sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert (bare.stdout, ran.stdout, ran.stderr) == ("False\n", "True\n", "")
