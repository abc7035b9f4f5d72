"""Runs the cases of each SDK in a process of its own, once."""

import importlib
import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

from sdk_cases import Cases
from sdk_environment import python_of

HERE: Final = Path(__file__).parent
MODULES: Final = (
    "openai_cases", "anthropic_cases", "google_genai_cases", "mistralai_cases", "langchain_openai_cases", "boto3_cases",
    "litellm_cases",
)  # fmt: skip
_SUPPORT: Final = (str(HERE), str(HERE.parent / "support"), str(HERE.parents[1] / "src"))


def cases_of(module: str) -> Cases:
    """Return the cases of an SDK; imports the SDK itself only when they are asked."""
    cases: Cases = importlib.import_module(module).CASES
    return cases


@cache
def results_of(module: str) -> dict[str, Any]:
    """Return what came of every case: see run_cases.py.

    Raises:
        RuntimeError: the process has failed; with what it said.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ = kept | {  # the SDKs' bytecode is kept: compiling them takes longer than all that they are asked
        "PYTHONPATH": os.pathsep.join(_SUPPORT),
        "TOKENTRAIL_KEY_PEPPER": "of the tests",
        "NO_PROXY": "127.0.0.1",
    }
    command = [str(python_of(module)), str(HERE / "run_cases.py"), module]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The cases of {module} could not be asked:\n{done.stderr[-4000:]}")
    results: dict[str, Any] = json.loads(done.stdout)
    return results
