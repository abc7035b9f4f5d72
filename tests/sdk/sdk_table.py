"""Writes docs/sdks.md from what came of the cases: `make sdk-table`."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from sdk_cases import Case
from sdk_checks import check_answer, check_events
from sdk_results import MODULES, cases_of, results_of

PAGE: Final = Path(__file__).parents[2] / "docs" / "sdks.md"
_FEATURES: Final = {
    "plain": "an answer at once",
    "stream": "a stream",
    "async": "async: an answer at once",
    "async stream": "async: a stream",
    "stream as context manager": "a stream as context manager, or closed by hand",
    "stream left early": "a stream left early (`ABORTED`)",
    "stream without usage": "a stream without usage (estimated, and marked so)",
    "raw answer": "a raw answer",
    "raw stream": "a raw stream, byte for byte",
    "errors": "errors: keys refused, streams that fail",
    "retries tied": "retries by the SDK, tied by `logical_call_id`",
    "timeout": "timeouts",
    "responses": "responses API",
    "embeddings": "embeddings",
    "images": "images",
    "audio": "audio",
    "token counts": "token counts",
    "Azure": "Azure's client",
}
_Event = dict[str, Any]
_SEEN: Final[dict[str, Callable[[_Event], bool]]] = {
    "tokens as the provider counts them": lambda event: event["usage_source"] == "provider",
    "cached tokens": lambda event: bool((event["usage"] or {}).get("cache_read_tokens")),
    "tokens written to a cache": lambda event: bool((event["usage"] or {}).get("cache_write_5m_tokens")),
    "reasoning tokens": lambda event: bool((event["usage"] or {}).get("reasoning_tokens")),
    "time to the first token": lambda event: bool(event["time_to_first_token_ms"]),
}
_HEAD: Final = """# SDKs

What is recorded of the official SDKs, as they come from the registry, after `tokentrail.install()` and nothing else.
This page is written by `make sdk-table` from what the tests found, and a test holds it to that.

Every case is asked twice of a local server that answers with recorded exchanges: recorded, and not. *Yes* says of all
cases of that kind: the SDK's objects, raw bytes and exceptions are the same both times; so are the requests that the
server saw; and every attempt is one event with the provider, operation, models, tokens, status and times that are to be
in it. A dash: the SDK has no such thing, or none that differs from another row.
"""
_TAIL: Final = """
litellm is asked for OpenAI, Anthropic, Gemini, Mistral and Bedrock, sync and async: through the openai SDK, httpx and
aiohttp. langchain-openai goes through the openai SDK. google-genai takes aiohttp for async calls where that is
installed, and is asked with httpx2 as well. boto3 has no async clients, and its streams have `close` and no `with`.

## When an event comes

- An answer that is read to its end, a stream that is closed, an error: at once.
- A stream that is left and not closed: when its objects are gone. Most SDKs let go of it at once; google-genai's async
  streams, botocore's event streams and litellm's streams lie in reference cycles, and go with the next garbage
  collection. litellm does not close every stream that it has read, so a `completed` may come late, with the right
  status and tokens.

## What is not recorded, or not fully

- WebSockets: OpenAI's and Mistral's realtime APIs, responses over a socket, Gemini Live.
- gRPC: Vertex AI through google-cloud-aiplatform's gRPC clients. google-genai speaks HTTP to Vertex AI as well.
- HTTP/2 in both directions, as Bedrock's speech models have it: no botocore client speaks it.
- HTTP clients that are none of httpx, httpx2, urllib3 (with requests and botocore) and aiohttp: `http.client`,
  `urllib.request`, pycurl, tornado. `tokentrail.call(…)` and `@tokentrail.audited` record such calls by hand.
- Uploads through httpx, httpx2 and aiohttp: the fields of the form are read, the files are not. `request_hash` is
  that of the fields and of the files' names, with httpx also of their length, and of files in memory of the first and
  last kilobyte: so an upload that is sent again is tied to its first attempt. A body that is made piece by piece has
  no `request_hash`, and its attempts are calls of their own.
- Attempts of SDKs that do not number them (google-genai, mistralai, litellm's own retries): the first has no
  `retry_count`; later ones are tied when the same request follows a failed one in the same thread or task.
"""


def page() -> str:
    """Return the whole page."""
    return _HEAD + "\n" + "\n".join(_table()) + "\n" + _TAIL


def without_versions(text: str) -> str:
    """Return the page without the SDKs' versions."""
    return re.sub(r"(?<=<br>)[\w.]+", "", text)


def _table() -> Iterator[str]:
    yield (
        "| | " + " | ".join(f"{cases_of(module).title}<br>{results_of(module)['version']}" for module in MODULES) + " |"
    )
    yield "|---" * (len(MODULES) + 1) + "|"
    for feature, title in _FEATURES.items():
        yield f"| {title} | " + " | ".join(_cell(module, feature) for module in MODULES) + " |"
    for title, seen in _SEEN.items():
        yield f"| {title} | " + " | ".join(_cell_of_events(module, seen) for module in MODULES) + " |"


def _cell(module: str, feature: str) -> str:
    cases = [case for case in cases_of(module).cases if case.feature == feature]
    if not cases:
        return "-"
    results = results_of(module)["cases"]
    return "yes" if all(_holds(case, results[case.name]) for case in cases) else "**no**"


def _cell_of_events(module: str, seen: Callable[[_Event], bool]) -> str:
    results = results_of(module)["cases"]
    held = [case for case in cases_of(module).cases if _holds(case, results[case.name])]
    completed = [event for case in held for event in results[case.name]["events"] if event["kind"] == "CallCompleted"]
    return "yes" if any(seen(event) for event in completed) else "-"


def _holds(case: Case, result: dict[str, Any]) -> bool:
    try:
        check_answer(result)
        check_events(case, result)
    except (AssertionError, ValueError):
        return False
    return True


if __name__ == "__main__":
    unknown = {case.feature for module in MODULES for case in cases_of(module).cases} - _FEATURES.keys()
    if unknown:
        sys.exit(f"No row is for {', '.join(sorted(unknown))}.")
    PAGE.write_text(page())
