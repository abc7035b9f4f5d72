"""Who types: as it is recorded beside what was done."""

import getpass
import os


def user_name() -> str:
    """Return the account's name; `uid 1000` where it has none, as in a container that runs under any number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"uid {os.getuid()}"
