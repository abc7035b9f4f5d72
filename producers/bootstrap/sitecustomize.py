"""Runs in every Python interpreter that `tokentrail run` starts, before the program: installs the recording.

Python imports the first `sitecustomize` on its path (https://docs.python.org/3/library/site.html). The one that would
have been imported without this one is run after it.
"""

import os
import sys


def _install() -> None:
    try:
        import tokentrail

        tokentrail.install()
    except Exception as error:  # noqa: BLE001 - whatever it is, the program must run
        # The message is not shown: it might quote a setting.
        module = getattr(error, "name", None) if isinstance(error, ImportError) else None
        what = f"{module} is missing" if module else f"{type(error).__name__} while loading"
        sys.stderr.write(
            f"tokentrail: calls of this program are not recorded: {what}. "
            f"`{sys.executable} -c 'import tokentrail; tokentrail.install()'` says more.\n"
        )


def _step_aside() -> None:
    """Take this directory off the path, and run the `sitecustomize` that comes next on it."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    here = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - every interpreter runs this: no import for it
    sys.path[:] = [entry for entry in sys.path if not entry or os.path.realpath(entry) != here]
    spec = PathFinder.find_spec(__name__)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    # Whoever imports it later gets the user's own, as without us.
    sys.modules[__name__] = module
    spec.loader.exec_module(module)


_install()
_step_aside()
