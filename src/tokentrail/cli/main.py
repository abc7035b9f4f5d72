"""The `tokentrail` command: finds the sub-command, and turns errors into one sentence."""

import logging
import os
import sys
from collections.abc import Sequence

from tokentrail.cli.light import LIGHT_COMMANDS, run_light
from tokentrail.errors import TokentrailError


def run() -> None:
    """Entry point. A user's mistake or an absent service ends with one sentence on stderr and exit status 1."""
    # What libraries log of a failure stands in the one sentence below.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        sys.exit(main(sys.argv[1:]))
    except TokentrailError as error:
        _complain(str(error))
        sys.exit(1)


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say and return the exit status; some sub-commands end the process themselves.

    Raises:
        TokentrailError: what the command line tells in one sentence.
    """
    if arguments and arguments[0] in LIGHT_COMMANDS:
        return run_light(arguments[0], arguments[1:])
    try:
        from tokentrail.cli.pipeline import app

        app(args=list(arguments), prog_name="tokentrail")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in {"", "tokentrail"}:
            raise
        return _do_without(arguments, missing)
    return 0


def _do_without(arguments: Sequence[str], missing: str) -> int:
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    if wanted is None:
        sys.stdout.write(_base_help())
        return 0
    _complain(f"`tokentrail {wanted}` needs {missing}, which is not installed: pip install 'tokentrail[pipeline]'.")
    return 1


def _base_help() -> str:
    lines = "".join(f"  {name:<8} {sentence}\n" for name, sentence in LIGHT_COMMANDS.items())
    return (
        "Usage: tokentrail COMMAND [ARGUMENT ...]\n\n"
        "The audit trail of your LLM calls: who called which model, what it cost, what is wrong right now.\n\n"
        f"{lines}\nCommands that run or read the trail: pip install 'tokentrail[pipeline]'.\n"
    )


def _complain(sentence: str) -> None:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    sys.stderr.write(f"\x1b[1;31mtokentrail:\x1b[0m {sentence}\n" if coloured else f"tokentrail: {sentence}\n")


if __name__ == "__main__":
    run()
