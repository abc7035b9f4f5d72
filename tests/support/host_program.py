"""Programs as services are: one line installs the shim, then they make calls. Each runs in a process of its own."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HEAD = """
import os, sys, threading, time
import requests
import tokentrail
URL = os.environ["PROVIDER"]
tokentrail.install(service="host", relays={"openai": URL})

def ask(feature, model="gpt-x", **options):
    with tokentrail.context(feature=feature):
        answer = requests.post(
            f"{URL}/chat/completions", json={"model": model, "messages": [{"role": "user", "content": feature}]},
            headers={"Authorization": "Bearer sk-proj-0123456789abcdefghijklmnop"}, timeout=20, **options,
        )
        assert answer.status_code == 200, answer.text
        return answer.content
"""


def host_environ(provider_url: str, folder: Path) -> dict[str, str]:
    """Return the environment of a program that spools below this folder and knows of no broker."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOKENTRAIL_")}
    config = folder / "tokentrail.toml"
    config.touch()
    return {
        **kept,
        "PROVIDER": provider_url,
        "TOKENTRAIL_SPOOL": str(folder / "spool"),
        "TOKENTRAIL_KEY_PEPPER": "of the tests",
        "TOKENTRAIL_CONFIG": str(config),
    }


def run_host(body: str, environ: dict[str, str], folder: Path, timeout_s: float) -> None:
    """Run a program to its end, which must be a good one."""
    program = folder / "program.py"
    program.write_text(HEAD + body)
    command = [sys.executable, "-W", "ignore", str(program)]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]


def keep_figures(campaign: str, figures: dict[str, Any]) -> None:
    """Print what a campaign found, and when; keep it too, where DURABILITY_RESULTS names a file of results."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").removesuffix(" (call)")
    conditions = {
        "date": datetime.now(UTC).date().isoformat(),
        "load_average_at_its_end": [round(load, 1) for load in os.getloadavg()],
        "command": f"python -m pytest -m soak '{test}'",
    }
    figures = {**figures, **conditions}
    print(campaign, json.dumps(figures))  # noqa: T201 - a soak's figures are read by people
    if name := os.environ.get("DURABILITY_RESULTS"):
        path = Path(name)
        kept = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**kept, campaign: figures}, indent=2) + "\n")
