"""What recording adds to a call, beside other libraries on the same calls in the same run: `make bench-shim`.

Every library gets an environment of its own below `.venv/bench`, made once. Cases take turns, several rounds of each;
the figure of a case is the median of its rounds. `added` is the difference of percentiles with and without recording.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
CASE: Final = Path(__file__).with_name("shim_case.py")
RESULTS: Final = Path(__file__).with_name("results") / "shim.json"
ENVIRONMENTS: Final = ROOT / ".venv" / "bench"


class Peer(NamedTuple):
    """A case, what it needs beside the openai SDK, and what is reported of it."""

    case: str
    packages: tuple[str, ...]
    module: str
    alone: tuple[str, ...] = ()
    """What is installed without the packages that it asks for."""


PEERS: Final = (
    Peer("tokentrail", (str(ROOT), "openai"), "tokentrail"),
    Peer("tokentrail-preview", (str(ROOT), "openai"), "tokentrail"),
    Peer(
        "opentelemetry",
        # As it is published it lacks httpx, and fails to import with newer releases of what it needs.
        (
            "opentelemetry-instrumentation-openai-v2==2.4b0",
            "opentelemetry-util-genai==1.1b0",
            "opentelemetry-sdk",
            "httpx",
            "openai",
        ),
        "opentelemetry.instrumentation.openai_v2",
    ),
    # What it asks for contradicts itself, so pip is told nothing of it; what it needs for this comes first.
    Peer(
        "openlit",
        (
            "opentelemetry-sdk",
            "opentelemetry-exporter-otlp",
            "opentelemetry-instrumentation",
            "openai<3",
            "requests",
            "pydantic",
            "schedule",
            "xmltodict",
        ),
        "openlit",
        alone=("openlit==1.45.0",),
    ),
    Peer("langfuse", ("langfuse", "openai"), "langfuse.openai"),
    Peer("logfire", ("logfire", "openai"), "logfire"),
)


def environment(peer: Peer) -> Path:
    """Return the Python of a peer's environment; makes it if it is not there. Ours is brought up to date."""
    home = ENVIRONMENTS / peer.case.partition("-")[0]  # cases of one library share theirs
    python = home / "bin" / "python"
    stamp = home / ".installed"
    if not stamp.exists():
        print(f"Installing {peer.case} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *peer.packages]
        subprocess.run(pip, check=True)
        if peer.alone:
            subprocess.run([*pip[: -len(peer.packages)], "--no-deps", *peer.alone], check=True)
        stamp.touch()
    elif str(ROOT) in peer.packages:  # what is measured is the code as it is now
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--force-reinstall", str(ROOT)], check=True)
    return python


def run_case(python: Path, peer: Peer, blocks: int) -> dict[str, Any]:
    """Run a case once."""
    command = [str(python), str(CASE), peer.case, "--blocks", str(blocks)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{peer.case} failed:\n{ended.stderr}")
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return figures


def import_ms(python: Path, module: str, rounds: int) -> float:
    """Return how long the import takes in a fresh interpreter, best of several."""
    program = f"import time; began = time.perf_counter(); import {module}; print(time.perf_counter() - began)"
    if module == "tokentrail":
        program = program.replace("; print", "; tokentrail.install(); print")
    took = []
    for _ in range(rounds):
        ended = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=True)
        took.append(float(ended.stdout.split()[-1]) * 1000)
    return min(took)


def idle_cpu_ms_per_s(python: Path) -> float:
    """Return the CPU time that a process with the shim installed, and one call behind it, takes while idle."""
    program = f"""
import sys, time
sys.path.insert(0, {str(CASE.parent)!r})
import shim_case
case = shim_case.tokentrail("off")
shim_case.ask(case.client); case.flush(); time.sleep(3)
began = time.process_time(); time.sleep(10)
print((time.process_time() - began) * 100)
"""
    ended = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=True)
    return float(ended.stdout.split()[-1])


def combine(rounds: list[dict[str, Any]], imported_ms: float) -> dict[str, Any]:
    """Return a case's figures over its rounds."""
    p50 = [one["on_us"][0] - one["off_us"][0] for one in rounds]
    p99 = [one["on_us"][1] - one["off_us"][1] for one in rounds]
    cpu = [one["cpu_on_us"] - one["cpu_off_us"] for one in rounds]
    return {
        "p50_us": round(statistics.median(p50), 1),
        "p50_us_best": round(min(p50), 1),
        "p99_us": round(statistics.median(p99), 1),
        "p99_us_best": round(min(p99), 1),
        "cpu_us": round(statistics.median(cpu), 1),
        "cpu_us_best": round(min(cpu), 1),
        "bare_p50_us": round(statistics.median(one["off_us"][0] for one in rounds), 1),
        "import_ms": round(imported_ms, 1),
        "calls": sum(one["calls"] for one in rounds),
        "records": sum(one["records"] for one in rounds),
    }


def machine() -> str:
    """Return what the figures were taken on."""
    import os
    import platform

    return f"{os.cpu_count()} cores ({platform.machine()}), Linux {platform.release()}, {platform.python_version()}"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--blocks", type=int, default=20, help="of 50 calls with and 50 without, a round")
    parser.add_argument("--only", help="cases, comma-separated")
    given = parser.parse_args()
    peers = [peer for peer in PEERS if not given.only or peer.case in given.only.split(",")]
    pythons = {peer.case: environment(peer) for peer in peers}
    rounds: dict[str, list[dict[str, Any]]] = {peer.case: [] for peer in peers}
    began = time.monotonic()
    for _ in range(given.rounds):
        for peer in peers:
            rounds[peer.case].append(run_case(pythons[peer.case], peer, given.blocks))
    found = {
        peer.case: combine(rounds[peer.case], import_ms(pythons[peer.case], peer.module, given.rounds))
        for peer in peers
    }
    result = {
        **found.get("tokentrail", {}),
        "idle_cpu_ms_per_s": round(idle_cpu_ms_per_s(pythons["tokentrail"]), 2) if "tokentrail" in pythons else None,
        "cases": found,
        "seconds": round(time.monotonic() - began),
        "machine": machine(),
        "command": "python benchmarks/shim.py",
    }
    print(json.dumps(result, indent=2))
    if not given.only:
        RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
