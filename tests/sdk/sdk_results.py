"""Runs the cases of each SDK in a process of its own, once, and says what its events should have been."""

import importlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from provider_server import Answer
from recorded_exchanges import load_exchange
from sdk_cases import Case, Cases

HERE: Final = Path(__file__).parent
MODULES: Final = (
    "openai_cases", "anthropic_cases", "google_genai_cases", "mistralai_cases", "langchain_openai_cases", "boto3_cases",
)  # fmt: skip
_SUPPORT: Final = (str(HERE), str(HERE.parent / "support"), str(HERE.parents[1] / "src"))
_MEANT: Final = (
    "operation", "request_model", "response_model", "stream", "status", "usage_source", "temperature", "max_tokens",
    "user_id", "session_id", "finish_reasons", "service_tier",
)  # fmt: skip
_UNANSWERED: Final = {"left": "ABORTED", "timeout": "TIMEOUT"}
_REQUEST_IDS: Final = ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id")


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
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join(_SUPPORT),
        "TOKENTRAIL_KEY_PEPPER": "of the tests",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, str(HERE / "run_cases.py"), module], env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"The cases of {module} could not be asked:\n{done.stderr[-4000:]}")
    results: dict[str, Any] = json.loads(done.stdout)
    return results


def expected_events(case: Case) -> list[dict[str, Any]]:
    """Return what is to be in the completed event of each attempt."""
    last = len(case.answers) - 1
    return [_expected(answer, case, retry_count=n, is_last=n == last) for n, answer in enumerate(case.answers)]


def _expected(answer: Answer, case: Case, *, retry_count: int, is_last: bool) -> dict[str, Any]:
    exchange = load_exchange(answer.exchange)
    meant = exchange["expected"]
    fields = {"provider": exchange["provider"], "retry_count": retry_count} | {
        name: meant[name] for name in _MEANT if name in meant
    }
    fields["usage"] = meant["usage"]
    headers = exchange["response"]["headers"]
    ids = [headers[name] for name in _REQUEST_IDS if name in headers] + [meant.get("provider_request_id")]
    if ids[0] is not None:
        fields["provider_request_id"] = ids[0]
    if not is_last:  # what was recorded of the refusal had been asked otherwise
        return {name: fields[name] for name in ("provider", "operation", "retry_count", "status", "usage")}
    if case.ending in _UNANSWERED:
        fields = {name: fields[name] for name in ("provider", "operation", "request_model", "retry_count")}
        fields["status"] = _UNANSWERED[case.ending]
    return fields | case.differing


def as_expected(event: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event that are expected to be something, to be compared with that."""
    seen = {name: event.get(name) for name in expected}
    seen["retry_count"] = seen["retry_count"] or 0  # an SDK that does not count its retries has none before the first
    if "stream" in expected:
        seen["stream"] = seen["stream"] or expected["stream"]  # some say that they want none, some say nothing
    usage = event["usage"]
    if "usage" in expected and usage is not None:
        seen["usage"] = {name: count for name, count in usage.items() if count is not None}
    return seen
