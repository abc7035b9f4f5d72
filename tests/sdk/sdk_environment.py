"""Which Python an SDK is asked with: the tests' own, or an environment for an SDK that does not go with the others."""

import fcntl
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Final

_OWN: Final = {
    # It wants an openai below 3. tenacity is what it retries with.
    "litellm_cases": ("litellm>=1.106", "boto3>=1.44", "tenacity>=9.1"),
}
_STAMP: Final = "installed"


def python_of(module: str) -> Path:
    """Return the interpreter for an SDK's cases; builds its environment the first time, in about a minute.

    Raises:
        RuntimeError: the environment cannot be built; with what pip said.
    """
    if module not in _OWN:
        return Path(sys.executable)
    place = _places() / f"sdk-{module.removesuffix('_cases')}"
    wanted = [*_OWN[module], *_base_dependencies()]
    stamp = "\n".join([sys.version, *wanted])
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs at once
        made = place / _STAMP
        if not made.exists() or made.read_text() != stamp:
            _build(place, wanted)
            made.write_text(stamp)
    return place / "bin" / "python"


def _places() -> Path:
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tokentrail"


def _base_dependencies() -> list[str]:
    """Return what the shim needs in a service: no extra."""
    told = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    dependencies: list[str] = told["project"]["dependencies"]
    return dependencies


def _build(place: Path, wanted: list[str]) -> None:
    shutil.rmtree(place, ignore_errors=True)
    venv.create(place, with_pip=False)  # the pip at hand is newer than the one that comes with Python, and is there
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-compile", *wanted], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{place} could not be built:\n{done.stderr[-4000:]}")
