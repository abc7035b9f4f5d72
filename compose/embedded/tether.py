"""Ties a command to the life of its parent: `python tether.py PARENT_PID COMMAND …`.

The kernel kills the command when its parent ends in whatever way (Linux; elsewhere the command just runs). The command
replaces this process, so its process id is the one the parent knows. Linux watches the parent's *thread*: the thread
that starts a tethered command must live as long as the command is wanted.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        # SIGKILL: an orphan that is slow to end would hold its port against the next start, and every part is built
        # to lose nothing by it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("The parent was gone before the command could start.")
    os.execvp(command[0], command)  # noqa: S606 # the parent's list, no shell


if __name__ == "__main__":
    main()
