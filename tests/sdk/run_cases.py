"""Asks every case of one SDK twice, recorded and not, and prints what came of it: `run_cases.py openai_cases`."""

import asyncio
import contextvars
import gc
import importlib
import importlib.metadata
import inspect
import json
import re
import sys
import time
import traceback
from typing import Any, Final

import msgspec
from provider_server import ProviderServer, Received, provider_server
from sdk_cases import Case, Cases

import tokentrail
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.trail import default_scribe
from tokentrail.schemas.decoding import decode_event
from tokentrail.schemas.events import CallCompleted, CallStarted

_LIBRARIES: Final = ("httpx2", "httpx", "urllib3", "aiohttp")
_ITS_OWN_EACH_TIME: Final = frozenset((
    "authorization", "x-amz-date", "amz-sdk-invocation-id", "traceparent", "idempotency-key", "x-client-request-id",
))  # fmt: skip
"""Request headers that SDKs make up or sign anew for every call."""
_TURNS: Final = 10
_PATIENCE_S: Final = 10.0
_BOUNDARY: Final = re.compile(rb"boundary=([^\s;]+)")
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+")


def run(cases: Cases) -> dict[str, Any]:
    """Return, for each case, what the caller got with and without recording, what was sent, and the events."""
    trail = _Trail()
    # A stream that its caller drops ends as garbage, and takes its connection pool's lock then: where the collector
    # comes by itself inside that lock, as in any program on httpcore, the thread waits for itself for ever.
    gc.disable()
    with provider_server(cases.exchanges) as server, asyncio.Runner() as loop:
        # Before the SDK is imported, as a service does it: what it brings is recorded when it comes.
        tokentrail.install(recorder=Recorder(trail.records.append, service="checkout"), relays=server.relays)
        clients = cases.open_clients(server)
        asked = _Asked(cases, server, clients, loop)
        results = {case.name: {"recorded": asked.ask(case, trail), "events": trail.take()} for case in cases.cases}
        tokentrail.uninstall()
        for case in cases.cases:
            results[case.name]["bare"] = asked.ask(case)
        assert not trail.take()
    return {
        "version": importlib.metadata.version(cases.title),
        "libraries": [name for name in _LIBRARIES if name in sys.modules],
        "cases": results,
    }


class _Asked:
    def __init__(self, cases: Cases, server: ProviderServer, clients: Any, loop: asyncio.Runner) -> None:
        self._server = server
        self._clients = clients
        self._loop = loop
        self._made_up = re.compile(cases.made_up) if cases.made_up else None

    def ask(self, case: Case, trail: "_Trail | None" = None) -> dict[str, Any]:
        gc.freeze()  # or every collection looks at all that the SDK has imported
        self._server.begin(case.answers)
        try:
            answer = self._run(case)
        except Exception as error:  # noqa: BLE001 - what is raised is what the caller sees
            answer = _shown_error(error)
        self._loop.run(_collect())
        if trail is not None and case.ending in {"left", "dropped"}:
            self._wait_for_end(trail)
        self._server.end()
        text = _ADDRESS.sub("", json.dumps(answer, ensure_ascii=False))
        return {
            "answer": self._made_up.sub("…", text) if self._made_up else text,
            "sent": [_shown_request(request) for request in self._server.received],
            "surprises": self._server.surprises,
        }

    def _wait_for_end(self, trail: "_Trail") -> None:
        """Have what the caller has dropped finalized; a thread of the SDK's may hold it a little longer."""
        deadline = time.monotonic() + _PATIENCE_S
        while trail.is_open() and time.monotonic() < deadline:
            self._loop.run(_collect())

    def _run(self, case: Case) -> Any:
        alone = contextvars.Context()  # no call of one case is a retry of another's
        if inspect.iscoroutinefunction(case.ask):  # also of a partial
            return _shown(self._loop.run(case.ask(self._clients), context=alone))
        return _shown(alone.run(case.ask, self._clients))


async def _collect() -> None:
    """Collect garbage, with turns of the loop: generators within generators are closed one after the other there."""
    gc.collect()
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class _Trail:
    """What has been recorded, as a reader of the topic sees it."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def is_open(self) -> bool:
        """Return whether there is a call that has not ended."""
        events = self._events()
        return sum(isinstance(event, CallCompleted) for event in events) * 2 < len(events)

    def take(self) -> list[dict[str, Any]]:
        """Return what has been recorded since the last time."""
        events = self._events()
        self.records.clear()
        return [_all_fields(event) for event in events]

    def _events(self) -> list[Any]:
        if not default_scribe().flush(10):
            raise RuntimeError("the scribe has not done its work in 10 s")
        events = [decode_event(record.value) for record in self.records]
        assert all(isinstance(event, (CallStarted, CallCompleted)) for event in events)
        return events


def _all_fields(event: Any) -> dict[str, Any]:
    fields = {name: msgspec.to_builtins(getattr(event, name)) for name in event.__struct_fields__}
    return {"kind": type(event).__name__, **fields}


def _shown(value: Any) -> Any:
    """Return an SDK's object as JSON can say it, with the names of its classes."""
    if hasattr(value, "model_dump"):
        return {type(value).__qualname__: _shown(value.model_dump(warnings=False))}
    if isinstance(value, dict):
        return {str(name): _shown(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shown(one) for one in value]
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return {type(value).__qualname__: str(value)}


def _shown_error(error: BaseException) -> dict[str, Any]:
    kinds = [kind.__name__ for kind in type(error).__mro__]
    told = {name: str(getattr(error, name, None)) for name in ("status_code", "code", "body", "response")}
    cause = error.__cause__ and [type(error.__cause__).__name__, str(error.__cause__)]
    # An error in a case itself is found here as well.
    where = traceback.extract_tb(error.__traceback__)[-1].filename.rpartition("site-packages/")[2]
    return {"raised": kinds, "text": str(error), "told": told, "cause": cause, "where": where}


def _shown_request(request: Received) -> dict[str, Any]:
    headers = [(name, value) for name, value in request.headers if name.lower() not in _ITS_OWN_EACH_TIME]
    body = request.body
    for boundary in _BOUNDARY.findall(dict(request.headers).get("Content-Type", "").encode()):
        body = body.replace(boundary, b"boundary")
        headers = [(name, value.replace(boundary.decode(), "boundary")) for name, value in headers]
    return {"line": f"{request.method} {request.target}", "headers": headers, "body": body.decode("latin-1")}


if __name__ == "__main__":
    began = time.perf_counter()
    result = run(importlib.import_module(sys.argv[1]).CASES)
    result["seconds"] = round(time.perf_counter() - began, 2)
    json.dump(result, sys.stdout)
