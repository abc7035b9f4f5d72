"""Live traffic: makes the planned calls with the official `openai` SDK, each through `tokentrail.httpx_client()`."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Final

import httpx2
import msgspec
import openai

from tokentrail.compose.demo.incidents import Incident
from tokentrail.compose.demo.lanes import Lanes
from tokentrail.compose.demo.live_plan import PlannedCall
from tokentrail.compose.demo.provider import write_prompt
from tokentrail.compose.demo.tenants import TEAMS
from tokentrail.producers.context import context
from tokentrail.producers.httpx_client import httpx_client
from tokentrail.producers.trail import default_scribe

_THREADS: Final = 8
_TELL_EVERY_S: Final = 0.25
_RECORDED_S: Final = 30.0


class LiveOutcome(msgspec.Struct, frozen=True):
    """What was done: calls that ended, those among them that failed, and each incident's first call."""

    calls: int
    failed: int
    incidents_started: dict[str, datetime]
    """By label."""


class LiveTraffic:
    """One SDK client for each team, as each would have one in its own service. Close it when done."""

    def __init__(self, provider: str, lanes: Lanes) -> None:
        self._provider = provider
        self._closing = ExitStack()
        self._clients = {
            team.department: self._closing.enter_context(
                openai.OpenAI(
                    api_key=team.api_key,
                    base_url=f"{provider}/v1",
                    max_retries=0,  # so that a planned call is one call in the ledger
                    http_client=httpx_client(
                        recorder=lanes.recorder(team.service),
                        provider=team.provider,
                        department=team.department,
                        trust_env=False,  # the provider is on loopback, whatever proxy there is
                    ),
                )
            )
            for team in TEAMS
        }
        self._lock = threading.Lock()
        self._orders = itertools.count(1)
        """Nobody asks the same twice: that would be a finding of its own."""
        self._count: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._started: dict[str, datetime] = {}

    def close(self) -> None:
        """Close the clients."""
        self._closing.close()

    def run(self, plan: Sequence[PlannedCall], stop: threading.Event, tell: Callable[[int, int], None]) -> LiveOutcome:
        """Make the calls, each at its time or as soon after as threads allow; blocks until the last has ended.

        `stop` ends it early; `tell` gets calls ended and calls failed, now and then.
        """
        self._left = Counter(call.incident.label for call in plan if call.incident)
        began_s = told_s = time.monotonic()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="demo-call") as threads:
            made = []
            for call in plan:
                if stop.wait(max(0.0, began_s + call.start_s - time.monotonic())):
                    break
                made.append(threads.submit(self._make, call, stop))
                if time.monotonic() - told_s >= _TELL_EVERY_S:
                    told_s = time.monotonic()
                    tell(self._count["ended"], self._count["failed"])
            wait(made)
        for future in made:
            future.result()  # a mistake of the demo's own must not pass for a failed call
        default_scribe().flush(_RECORDED_S)
        return LiveOutcome(self._count["ended"], self._count["failed"], dict(self._started))

    def _make(self, call: PlannedCall, stop: threading.Event) -> None:
        if stop.is_set():
            return
        if call.incident:
            self._begin(call.incident)
        failed = False
        try:
            self._ask(call)
        except openai.APIError:
            failed = True
        finally:
            if call.incident:
                self._end(call.incident)
        with self._lock:
            self._count["ended"] += 1
            self._count["failed"] += failed

    def _ask(self, call: PlannedCall) -> None:
        who = call.attribution
        completions = self._clients[who.team.department].chat.completions
        prompt: openai.types.chat.ChatCompletionUserMessageParam = {
            "role": "user",
            "content": write_prompt(call.input_tokens, next(self._orders)),
        }
        source = "internal" if who.user_id is None else "web"
        with context(user_id=who.user_id, feature=who.feature, request_source=source):
            if not call.stream:
                completions.create(model=who.model, messages=[prompt], max_completion_tokens=call.output_tokens)
                return
            with completions.create(
                model=who.model,
                messages=[prompt],
                max_completion_tokens=call.output_tokens,
                stream=True,
                stream_options={"include_usage": True},
            ) as chunks:
                for _ in chunks:
                    pass

    def _begin(self, incident: Incident) -> None:
        with self._lock:
            if incident.label in self._started:
                return
            if incident.fault_status is not None:
                fault = {"status": incident.fault_status}
                httpx2.put(self._fault_url(incident), json=fault, trust_env=False).raise_for_status()
            self._started[incident.label] = datetime.now(UTC)

    def _end(self, incident: Incident) -> None:
        with self._lock:
            self._left[incident.label] -= 1
            over = self._left[incident.label] == 0
        if over and incident.fault_status is not None:
            httpx2.delete(self._fault_url(incident), trust_env=False).raise_for_status()

    def _fault_url(self, incident: Incident) -> str:
        return f"{self._provider}/faults/{incident.attribution.model}"
