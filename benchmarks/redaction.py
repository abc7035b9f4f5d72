"""Measures the redactor: µs per KB, by kind of text, how much it finds, and what its pattern takes in memory and time.

`python benchmarks/redaction.py` writes benchmarks/results/redaction.json and prints it. Texts are made up from a seed;
`two_hits` have an address and a card in a KB, `labelled_prompts` are those of the tests, with some ten findings a KB.
Each text counts with the fastest of some rounds, so that other work on the machine does not count. `machine_factor` is
how much slower this machine is than one that counts to five million in 0.25 s; figures are as measured here, not
divided by it.
"""

import argparse
import json
import os
import platform
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = Path(__file__).with_name("results") / "redaction.json"
REFERENCE_S: Final = 0.25
SEED: Final = 20_260
ROUNDS: Final = 15
SHORTEST_CHARS: Final = 512
"""Of shorter texts the cost of a call, and not of a character, would be measured."""
WORDS: Final = """
the of and a to in is you that it he was for on are with as his they at be this from have or by one had not but what all
were when we there can an your which their said if do will each about how up out them then she many some so these would
other into has more her two like him see time could no make than first been its who now people my made over did down
only way find use may water long little very after words called just where most know token password order 2024 number
email phone request 42 version error card server config value 10:30 function return import class
""".split()  # noqa: SIM905 - a list of a hundred words is harder to read


def main() -> None:
    """Measure, write and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    output = parser.parse_args().output
    factors = [machine_factor()]
    figures = _figures()
    factors.append(machine_factor())
    figures |= {
        "machine": f"{os.cpu_count()} cores ({platform.machine()}), {platform.python_version()}",
        "machine_factor": round(sum(factors) / len(factors), 2),
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python benchmarks/redaction.py",
    }
    document = json.dumps(figures, indent=2)
    output.write_text(document + "\n")
    print(document)


def machine_factor() -> float:
    """Return how much slower than the reference this machine counts to five million.

    It counts in short pieces, of which the fastest is taken, as of the texts: else other work would count here alone.
    """
    fastest = float("inf")
    for _ in range(200):
        started = time.perf_counter()
        total = 0
        for number in range(50_000):
            total += number
        fastest = min(fastest, time.perf_counter() - started)
    return 100 * fastest / REFERENCE_S


def _figures() -> dict[str, Any]:
    memory_before, started = _resident_mb(), time.perf_counter()
    from tokentrail.producers.redaction import Redactor, holds_secret, redact_secrets

    imported = time.perf_counter()
    redactor = Redactor()
    redactor.redact("joe@example.com")
    holds_secret(b"{}")
    ready, memory_after = time.perf_counter(), _resident_mb()
    figures: dict[str, Any] = {
        "import_ms": round((imported - started) * 1000, 1),
        "first_use_ms": round((ready - imported) * 1000, 1),
        "resident_mb_first_use": round(memory_after - memory_before, 1),
        "redact_us_per_kb": {name: measured(redactor.redact, texts) for name, texts in _texts().items()},
        "redact_secrets_us_per_kb": {"clean": measured(redact_secrets, _texts()["clean"])},
        "holds_secret_us_per_kb": {"clean": measured(holds_secret, list(_events(500)))},
    }
    figures["resident_mb_after"] = round(_resident_mb() - memory_before, 1)
    return figures | _quality(redactor)


def _quality(redactor: Any) -> dict[str, Any]:
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from labelled_prompts import prompts
    from redaction_score import score

    found = score(redactor, prompts(SEED, 6000))
    return {
        "recall": round(found.recall(), 5),
        "precision": round(found.precision(), 5),
        "labels": found.labelled.total(),
    }


def measured(work: Callable[[Any], object], texts: list[Any]) -> dict[str, float]:
    """Return the median and the 99th percentile over texts of the fastest of some rounds, in µs per KB."""
    fastest = [_us_per_kb(work, text) for text in texts]
    for _ in range(ROUNDS - 1):
        fastest = [min(before, _us_per_kb(work, text)) for before, text in zip(fastest, texts, strict=True)]
    fastest.sort()
    return {
        "p50": round(fastest[len(fastest) // 2], 2),
        "p99": round(fastest[int(len(fastest) * 0.99)], 2),
        "texts": len(fastest),
    }


def _us_per_kb(work: Callable[[Any], object], text: Any) -> float:
    started = time.perf_counter_ns()
    work(text)
    return (time.perf_counter_ns() - started) / 1000 / (len(text) / 1024)


def _texts() -> dict[str, list[str]]:
    chance = random.Random(SEED)
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from labelled_prompts import prompts

    clean = [" ".join(chance.choices(WORDS, k=220))[:1024] for _ in range(500)]
    two_hits = [f"{text[:400]} joe@example.com {text[400:800]} 4111 1111 1111 1111 {text[800:]}" for text in clean]
    made = [prompt.text for prompt in prompts(SEED, 6000)]
    with_hits = ["\n".join(made[place : place + 3]) for place in range(0, len(made), 3)]
    return {
        "clean": clean,
        "two_hits": two_hits,
        "labelled_prompts": [text for text in with_hits if len(text) >= SHORTEST_CHARS],
        "code": [path.read_text() for path in sorted((ROOT / "producers").rglob("*.py"))],
        "log_lines": ["".join(_log_line(chance) for _ in range(10)) for _ in range(500)],
        "clean_20_kb": ["\n".join(clean[place : place + 20]) for place in range(0, 500, 20)],
    }


def _log_line(chance: random.Random) -> str:
    return (
        f"2026-01-{chance.randint(1, 28):02d}T10:{chance.randint(10, 59)}:45.123Z INFO worker-{chance.randint(1, 9)} "
        f"request_id={chance.getrandbits(64):016x} took {chance.random() * 100:.3f} ms status=200\n"
    )


def _events(count: int) -> Iterable[bytes]:
    chance = random.Random(SEED)
    for _ in range(count):
        yield json.dumps(
            {
                "type": "llm.call.completed",
                "event_id": str(uuid.UUID(int=chance.getrandbits(128))),
                "producer_id": str(uuid.UUID(int=chance.getrandbits(128))),
                "prev_hash": f"{chance.getrandbits(256):064x}",
                "occurred_at": "2026-01-15T10:30:45.123456Z", "service": "checkout",
                "user_id": f"u-{chance.randint(1, 999)}",
                "call_id": str(uuid.UUID(int=chance.getrandbits(128))), "endpoint": "/v1/chat/completions",
                "api_key_id": f"hmac1:ab12cd34:{chance.getrandbits(256):064x}", "api_key_hint": "sk-proj-…wxyz",
                "user_agent": "OpenAI/Python 3.54.0", "request_model": "gpt-4o-mini", "status": "SUCCESS",
                "usage": {"input_tokens": 812, "output_tokens": 99, "cache_read_tokens": 0}, "latency_ms": 812.25,
                "provider_usage": {"prompt_tokens": 812, "completion_tokens": 99, "total_tokens": 911},
                "request_hash": f"hmac1:ab12cd34:{chance.getrandbits(128):032x}", "finish_reasons": ["stop"],
                "response_hash": f"hmac1:ab12cd34:{chance.getrandbits(128):032x}",
                "redactions": {"email": 2, "password": 1},
            },
            ensure_ascii=False, separators=(",", ":"),
        ).encode()  # fmt: skip


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


if __name__ == "__main__":
    main()
