"""The command line does what it can with what is installed, and says in one sentence what it cannot."""

import subprocess
import sys
from pathlib import Path

import pytest

from tokentrail.cli.light import LIGHT_COMMANDS

# A process in which typer and rich cannot be imported, as after a base install.
BASE = """
import sys
for name in ("typer", "rich", "clickhouse_connect", "faust", "tenacity"):
    sys.modules[name] = None
from tokentrail.cli.main import run
sys.argv = ["tokentrail", *sys.argv[1:]]
run()
"""


def base(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BASE, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("arguments", [["status"], ["up", "--data", "x"], ["no-such-command"]])
def test_without_the_extra_a_command_of_it_says_what_to_install(arguments: list[str]) -> None:
    ran = base(*arguments)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"tokentrail: `tokentrail {arguments[0]}` needs ")
    assert "pip install 'tokentrail[pipeline]'" in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_without_the_extra_help_lists_what_there_is(arguments: list[str]) -> None:
    ran = base(*arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert all(f"  {name} " in ran.stdout for name in LIGHT_COMMANDS)


def test_without_the_extra_a_program_can_be_run() -> None:
    assert base("run", "--", sys.executable, "-c", "print('alive')").stdout == "alive\n"


def test_with_the_extra_help_lists_all_commands() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tokentrail.cli.main", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert all(name in ran.stdout for name in (*LIGHT_COMMANDS, "status", "up"))


def test_light_commands_load_nothing_heavy() -> None:
    program = (
        "import sys; from tokentrail.cli.main import main\n"
        "try: main(['run', '--help'])\n"
        "except SystemExit: pass\n"
        "print({'typer', 'rich', 'aiokafka', 'faust'} & set(sys.modules), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stderr == "set()\n"


def test_a_setting_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tokentrail.toml").write_text("partitions = 0")
    ran = subprocess.run(
        [sys.executable, "-m", "tokentrail.cli.main", "status"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert "partitions" in ran.stderr
