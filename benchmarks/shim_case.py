"""One case of `shim.py`, in an environment that has it installed: what recording adds to a call of the openai SDK.

Blocks of calls with and without recording take turns in one process, on a transport that answers at once. What a case
puts off to the background is flushed after each block: outside the timed calls, inside the CPU time.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

KEY = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCD"
MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant who explains payments to merchants. Be brief. " * 2},
    {"role": "user", "content": "Why was order 4711 flagged, and what can Jane Doe (jane.doe@example.com) do? " * 2},
    {"role": "user", "content": "Answer in two sentences, and name the rule that fired."},
]
ANSWER = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "object": "chat.completion",
    "created": 1_741_569_952,
    "model": "gpt-4.1-2025-04-14",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "The order was flagged because its amount is far above what this account usually sends. "
                * 8,
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 119,
        "completion_tokens": 140,
        "total_tokens": 259,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    },
    "service_tier": "default",
    "system_fingerprint": "fp_b376dfbbd5",
}


class Case(NamedTuple):
    """A recorded client, how to bring out what it has put off, and how many records came out."""

    client: Any
    flush: Callable[[], object]
    records: Callable[[], int]


def http_library() -> Any:
    """Return what the installed openai SDK uses."""
    try:
        import httpx2 as library
    except ModuleNotFoundError:
        import httpx as library  # type: ignore[no-redef] # the same interface under its older name
    return library


def mock_transport() -> Any:
    """Return a transport that answers at once, with 1.3 KB."""
    library = http_library()
    body = json.dumps(ANSWER).encode()
    headers = {"content-type": "application/json", "x-request-id": "req_0123456789abcdef"}
    return library.MockTransport(lambda _request: library.Response(200, headers=headers, content=body))


def openai_client(http_client: Any) -> Any:
    """Return the SDK on this HTTP client."""
    import openai

    return openai.OpenAI(api_key=KEY, http_client=http_client)


def plain_client() -> Any:
    """Return the SDK as it is."""
    return openai_client(http_library().Client(transport=mock_transport()))


def tokentrail(content: str) -> Case:
    """With the default delivery: events are spooled; nothing listens at the broker's address."""
    os.environ |= {
        "TOKENTRAIL_SPOOL": tempfile.mkdtemp(prefix="tokentrail-bench-"),
        "TOKENTRAIL_KEY_PEPPER": "a pepper for benchmarks",
    }
    from tokentrail import httpx_client
    from tokentrail.producers.trail import default_recorder, default_scribe

    client = openai_client(httpx_client(transport=mock_transport(), service="bench", content=content))
    scribe = default_scribe()
    return Case(client, lambda: scribe.flush(30), lambda: default_recorder("bench").stats().recorded // 2)


def opentelemetry() -> Case:
    """opentelemetry-instrumentation-openai-v2."""
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return Case(plain_client(), provider.force_flush, lambda: len(exporter.get_finished_spans()))


def openlit() -> Case:
    """Openlit."""
    import openlit as library
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    library.init(disable_metrics=True, pricing_json=price_file())
    return Case(plain_client(), provider.force_flush, lambda: len(exporter.get_finished_spans()))


def price_file() -> str:
    """Return a price table of our own: openlit would fetch one."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump({"chat": {"gpt-4.1": {"promptPrice": 0.002, "completionPrice": 0.008}}}, file)
    return file.name


def langfuse() -> Case:
    """Langfuse's client in place of the SDK's."""
    os.environ |= {"LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1"}
    from langfuse import Langfuse
    from langfuse.openai import OpenAI
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    made = Langfuse(span_exporter=exporter, base_url="http://127.0.0.1:9")
    client = OpenAI(api_key=KEY, http_client=http_library().Client(transport=mock_transport()))
    return Case(client, made.flush, lambda: len(exporter.get_finished_spans()))


def logfire() -> Case:
    """Logfire."""
    import logfire as library
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    processor = BatchSpanProcessor(exporter)
    library.configure(send_to_logfire=False, console=False, additional_span_processors=[processor])
    client = plain_client()
    library.instrument_openai(client)
    return Case(client, processor.force_flush, lambda: len(exporter.get_finished_spans()))


CASES: dict[str, Callable[[], Case]] = {
    "tokentrail": lambda: tokentrail("off"),
    "tokentrail-preview": lambda: tokentrail("preview"),
    "opentelemetry": opentelemetry,
    "openlit": openlit,
    "langfuse": langfuse,
    "logfire": logfire,
}


def ask(client: Any) -> None:
    """Make one call."""
    client.chat.completions.create(model="gpt-4.1", messages=MESSAGES, temperature=0.2, max_tokens=400)


def block(client: Any, calls: int) -> list[float]:
    """Make calls, and return how long each took, in microseconds."""
    clock = time.perf_counter_ns
    took = []
    for _ in range(calls):
        began = clock()
        ask(client)
        took.append((clock() - began) / 1000)
    return took


def measure(name: str, blocks: int, calls: int) -> dict[str, Any]:
    """Run a case; on and off by turns, in blocks."""
    from openai.resources.chat.completions import Completions

    plain: Any = Completions.create
    bare = plain_client()
    case = CASES[name]()
    patched: Any = Completions.create  # most peers replace it for every client
    took: dict[bool, list[float]] = {False: [], True: []}
    cpu_s = {False: 0.0, True: 0.0}
    before = 0
    for number in range(-4, 2 * blocks):
        if number == 0:  # what came before was the warm-up
            took, cpu_s, before = {False: [], True: []}, {False: 0.0, True: 0.0}, case.records()
            gc.collect()
        recorded = bool(number % 2)
        replaced: Any = Completions
        replaced.create = patched if recorded else plain
        began = time.process_time()
        took[recorded] += block(case.client if recorded else bare, calls)
        if recorded:
            case.flush()
        cpu_s[recorded] += time.process_time() - began
    return summary(name, took, cpu_s, case.records() - before)


def summary(name: str, took: dict[bool, list[float]], cpu_s: dict[bool, float], records: int) -> dict[str, Any]:
    """Return p50 and p99 of a call with and without recording, and the CPU time of each."""

    def percentiles(values: list[float]) -> list[float]:
        cut = statistics.quantiles(values, n=100)
        return [cut[49], cut[98]]

    on = percentiles(took[True])
    off = percentiles(took[False])
    calls = len(took[True])
    return {
        "case": name,
        "calls": calls,
        "records": records,
        "on_us": on,
        "off_us": off,
        "cpu_on_us": cpu_s[True] / calls * 1e6,
        "cpu_off_us": cpu_s[False] / calls * 1e6,
    }


def main() -> None:
    """Run the case that the command line names; print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--calls", type=int, default=50)
    given = parser.parse_args()
    json.dump(measure(given.case, given.blocks, given.calls), sys.stdout)


if __name__ == "__main__":
    main()
