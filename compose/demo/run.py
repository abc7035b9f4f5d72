"""The demo from start to end: stack, history, live traffic with incidents, alerts, costs, summary."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from tokentrail.compose.demo.alert_feed import AlertFeed, listen_to_alerts
from tokentrail.compose.demo.cost_table import read_demo_costs, tabulate_costs
from tokentrail.compose.demo.history import KeyLabel, plan_history
from tokentrail.compose.demo.incidents import INCIDENTS, expect_finding, find_touched
from tokentrail.compose.demo.lanes import Lanes
from tokentrail.compose.demo.ledger_watch import LedgerWatch
from tokentrail.compose.demo.live_plan import plan_live
from tokentrail.compose.demo.live_traffic import LiveOutcome, LiveTraffic
from tokentrail.compose.demo.narration import Narrator
from tokentrail.compose.demo.provider_process import run_provider
from tokentrail.compose.demo.summary import Summary, summarize_run
from tokentrail.compose.demo.tenants import TEAMS, attribute_calls
from tokentrail.compose.demo.verdict import ExpectedIncident, judge_alerts
from tokentrail.compose.embedded.stack import Stack, running_stack
from tokentrail.compose.embedded.stack_plan import StackPlan
from tokentrail.processors.simulation.trace import TraceCall
from tokentrail.producers.fingerprints import default_fingerprints, key_hint
from tokentrail.producers.publisher import Publisher
from tokentrail.settings import Settings

IDLE_AFTER_MS: Final = 3_000
"""The history has event times of the past: a partition that is taken for quiet while it is published would make what
comes later late. So it takes longer here than it does by default."""
_LEDGER_S: Final = 60.0
_ALERTS_S: Final = 40.0
_SETTLE_S: Final = 3.0
_POLL_S: Final = 0.2

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Demo:
    """One run over a stack that is up."""

    def __init__(self, stack: Stack, narrator: Narrator, trace: Sequence[TraceCall]) -> None:
        self._settings = stack.settings
        self._narrator = narrator
        self._trace = trace
        self._stop = threading.Event()

    async def play(self) -> Summary:
        """Play it all and return the outcome.

        Raises:
            TokentrailError: a service does not do what it should; says which.
        """
        publisher = Publisher.from_settings(self._settings)
        async with AsyncExitStack() as closing_last:
            closing_last.callback(publisher.close)
            closing_last.callback(self._stop.set)
            ledger = closing_last.enter_context(closing(LedgerWatch(self._settings)))
            feed = await closing_last.enter_async_context(listen_to_alerts(self._settings, self._narrator.alert))
            provider = await closing_last.enter_async_context(run_provider())
            lanes = Lanes(publisher)
            published = await self._publish_history(lanes, ledger)
            live = await self._make_live_calls(provider, lanes)
            published += live.calls
            expected = _expect(live)
            await self._await_alerts(feed, expected)
            ledger_calls = await self._settle_ledger(ledger, published)
            self._narrator.show(tabulate_costs(await asyncio.to_thread(read_demo_costs, self._settings)))
        return summarize_run(
            calls_published=published,
            ledger_calls=ledger_calls,
            verdict=judge_alerts(expected, feed.heard),
            seconds=dict(self._narrator.seconds),
            seconds_total=self._narrator.elapsed_s(),
        )

    async def _publish_history(self, lanes: Lanes, ledger: LedgerWatch) -> int:
        calls = list(attribute_calls(self._trace))
        with self._narrator.step("history", f"An hour of real traffic, {len(calls):,} calls, into Kafka") as step:
            events = plan_history(calls, datetime.now(UTC), _label_key)
            told = _on_loop(lambda number: step.tell(f"{number:,} of {2 * len(calls):,} events"))
            published = await self._in_thread(lanes.publish, events, self._stop, told)
        with self._narrator.step("ledger", "The hour reaches the ledger") as step:
            count = await ledger.wait_for(published, _LEDGER_S, lambda rows: step.tell(f"{rows:,} of {published:,}"))
            step.result = f"{count:,} calls, priced"
        return published

    async def _make_live_calls(self, provider: str, lanes: Lanes) -> LiveOutcome:
        plan = plan_live(self._trace)
        with self._narrator.step("live", f"{len(plan):,} live calls with the openai SDK, three incidents") as step:
            with closing(LiveTraffic(provider, lanes)) as traffic:
                told = _on_loop(lambda ended, failed: step.tell(f"{ended:,} ended, {failed:,} of them failed"))
                outcome = await self._in_thread(traffic.run, plan, self._stop, told)
            await self._in_thread(lanes.flush)
            step.result = f"{outcome.calls:,} ended, {outcome.failed:,} of them failed"
        return outcome

    async def _await_alerts(self, feed: AlertFeed, expected: list[ExpectedIncident]) -> None:
        """Wait for the incidents' alerts, and then as long as anything else could still fire."""
        settings = self._settings
        after_last_call_s = (settings.idle_after_ms + settings.allowed_lateness_ms) / 1000 + _SETTLE_S
        began_s = time.monotonic()
        with self._narrator.step("alerts", "Detection finishes") as step:
            while time.monotonic() - began_s < _ALERTS_S:
                missed = judge_alerts(expected, feed.heard).missed
                if not missed and time.monotonic() - began_s >= after_last_call_s:
                    break
                step.tell(f"{len(expected) - len(missed)} of {len(expected)} incidents found")
                await asyncio.sleep(_POLL_S)
            step.result = f"{len(judge_alerts(expected, feed.heard).found)} of {len(expected)} incidents found"

    async def _settle_ledger(self, ledger: LedgerWatch, published: int) -> int:
        with self._narrator.step("settle", "The ledger has every call") as step:
            await ledger.wait_for(published, _LEDGER_S, lambda rows: step.tell(f"{rows:,} of {published:,}"))
            count = await ledger.count_calls()
            step.result = f"{count:,} of {published:,}"
        return count

    async def _in_thread(
        self, work: Callable[_Arguments, _Result], *args: _Arguments.args, **kwargs: _Arguments.kwargs
    ) -> _Result:
        """Run blocking work; if this task is cancelled, the work is told to stop and awaited."""
        running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._stop.set()
            await asyncio.wait([running])
            raise


@asynccontextmanager
async def start_stack(data: Path, narrator: Narrator) -> AsyncIterator[Stack]:
    """Run a one-machine stack on free ports, with the demo's settings and nobody else's."""
    settings = Settings(idle_after_ms=IDLE_AFTER_MS, data=data)
    async with AsyncExitStack() as stopping:
        with narrator.step("start", "Kafka, ClickHouse and the workers start") as step:
            stack = await stopping.enter_async_context(
                running_stack(
                    StackPlan(data=data, settings=settings), lambda part: step.tell(f"{part.name} {part.state}")
                )
            )
            step.result = f"Kafka {stack.settings.kafka}, ClickHouse {stack.settings.clickhouse_address}"
        try:
            yield stack
        finally:
            with narrator.step("stop", "Everything stops"):
                await stopping.aclose()


def _expect(live: LiveOutcome) -> list[ExpectedIncident]:
    fingerprint = default_fingerprints().key_id
    return [
        ExpectedIncident(
            incident.label,
            expect_finding(incident, fingerprint),
            live.incidents_started[incident.label],
            find_touched(incident, fingerprint),
        )
        for incident in INCIDENTS
    ]


def name_keys() -> dict[str, str]:
    """Return a name that people can read for each key's fingerprint."""
    labels = [(_label_key(team.api_key), team.department) for team in TEAMS]
    return {label.api_key_id: f"{label.api_key_hint} ({department})" for label, department in labels}


def _label_key(key: str) -> KeyLabel:
    return KeyLabel(default_fingerprints().key_id(key), key_hint(key))


def _on_loop(tell: Callable[_Arguments, None]) -> Callable[_Arguments, None]:
    """Return a function that calls `tell` on this event loop, from whatever thread."""
    loop = asyncio.get_running_loop()

    def forward(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        loop.call_soon_threadsafe(lambda: tell(*args, **kwargs))

    return forward
