"""`tokentrail run`: runs a program with the recording installed, without a change to its code."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import tokentrail.producers

_NOT_FOUND: Final = 127
_NOT_EXECUTABLE: Final = 126
"""What shells report for a command that is not there, or is none."""


def main(arguments: Sequence[str]) -> int:
    """Become the program; returns only when it cannot be run."""
    options = _parse(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        return _complain("no program is named; write for instance `tokentrail run -- python app.py`.", 2)
    try:
        os.execvpe(command[0], command, run_environ(os.environ, options.service))  # noqa: S606 - no shell is wanted
    except FileNotFoundError:
        return _complain(f"{command[0]} is not found.", _NOT_FOUND)
    except OSError as error:
        hint = f" Write `tokentrail run -- python {command[0]}`." if command[0].endswith(".py") else ""
        return _complain(f"{command[0]} cannot be run ({error.strerror}).{hint}", _NOT_EXECUTABLE)


def run_environ(environ: Mapping[str, str], service: str | None) -> dict[str, str]:
    """Return the environment in which every Python interpreter, and those it starts, records."""
    bootstrap = str(Path(next(iter(tokentrail.producers.__path__))).resolve() / "bootstrap")
    paths = [path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != bootstrap]
    made = {**environ, "PYTHONPATH": os.pathsep.join([bootstrap, *paths])}
    if service:
        made["TOKENTRAIL_SERVICE"] = service
    return made


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tokentrail run",
        description="Run a program with every LLM call of its Python processes recorded. Signals and the exit status "
        "are the program's own.",
        epilog="Interpreters started with -S, -I or -E take nothing from the environment, and record nothing.",
        usage="%(prog)s [--service NAME] -- PROGRAM [ARGUMENT ...]",
    )
    parser.add_argument("--service", metavar="NAME", help="who calls; without it TOKENTRAIL_SERVICE")
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _complain(sentence: str, status: int) -> int:
    sys.stderr.write(f"tokentrail run: {sentence}\n")
    return status
