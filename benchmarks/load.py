"""Makes load: calls as a fleet of services would record them, through the real recorder and publisher.

`python benchmarks/load.py --events 400000 --event-rate 5000` publishes as fast as it can, in event time of the past;
`--live` publishes in real time at the rate. Addresses come from the TOKENTRAIL_* environment. Prints one JSON document:
when (Unix ms) the 40th failed call of each probe model was recorded, from which alert delay is measured.
"""

import argparse
import json
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka.partitioner import murmur2

from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.publisher import Publisher
from tokentrail.producers.recorder import Recorder
from tokentrail.schemas.events import Usage, UsageSource
from tokentrail.settings import Settings, current_settings

LANES_PER_PARTITION: Final = 2
PROBE_CALLS: Final = 40
"""Failed calls of a model nobody else uses: `min_calls` of the shipped rule high_error_rate."""
QUIET_END_S: Final = 4
MODELS: Final = ("gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "o4-mini", "claude-sonnet-4-5", "gemini-2.5-flash")
DEPARTMENTS: Final = ("payments", "support", "search", "legal", "growth")


class Fleet:
    """Recorders of many services, spread evenly over the partitions."""

    def __init__(self, settings: Settings, publisher: Publisher, seed: int, users: int = 0) -> None:
        self._random = random.Random(seed)
        self._users = users
        self._recorders = [
            Recorder(publisher, service=f"service-{n}", environment="production", producer_id=name)
            for n, name in enumerate(_spread(settings.partitions))
        ]
        self._publisher = publisher
        self._serial = 0

    def call(self, occurred_at: datetime, model: str | None = None, *, failed: bool = False) -> None:
        """Record one call: its started and its completed event."""
        chance = self._random
        self._serial += 1
        recorder = self._recorders[self._serial % len(self._recorders)]
        user = chance.randrange(self._users) if self._users else min(int(chance.paretovariate(1.1)), 5000)
        keys = self._users // 10 or 300
        call = Call(
            user_id=f"user-{user}",
            session_id=f"session-{user}-{self._serial // 50_000}",
            department=DEPARTMENTS[user % len(DEPARTMENTS)],
            feature=f"feature-{user % 20}",
            request_source="api",
            ip_address=f"10.{user >> 16}.{user >> 8 & 255}.{user & 255}",
            user_agent="OpenAI/Python 3.54.0",
            api_key_id=f"hmac1:5f2e:{user % keys:064x}",
            api_key_hint=f"sk-...{user % keys:04d}",
            provider="openai",
            server_address="api.openai.com",
            endpoint="/v1/chat/completions",
            operation="chat",
            request_model=model or chance.choice(MODELS),
            stream=False,
            trace_id=f"{chance.getrandbits(128):032x}",
            span_id=f"{chance.getrandbits(64):016x}",
        )
        latency_ms = round(chance.lognormvariate(6.5, 0.6), 3)
        recorder.started(call, occurred_at=occurred_at)
        recorder.completed(call, _outcome(chance, latency_ms, failed=failed), occurred_at=occurred_at)

    @property
    def lanes(self) -> int:
        """How many producers there are; calls go to one after the other."""
        return len(self._recorders)

    def drain(self, waiting: int) -> None:
        """Wait until at most so many records wait for the broker."""
        while self._publisher.stats().pending > waiting:
            time.sleep(0.002)


def _outcome(chance: random.Random, latency_ms: float, *, failed: bool) -> Outcome:
    if failed:
        return Outcome(
            status="SERVER_ERROR",
            http_status_code=503,
            error_type="server_error",
            error_message="The server is overloaded, please try again later.",
            latency_ms=latency_ms,
        )
    input_tokens, output_tokens = int(chance.lognormvariate(6.5, 1.0)) + 1, int(chance.lognormvariate(5.0, 0.8)) + 1
    return Outcome(
        status="SUCCESS",
        http_status_code=200,
        finish_reasons=["stop"],
        provider_request_id=f"req_{chance.getrandbits(96):024x}",
        http_method="POST",
        usage=Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=input_tokens // 3),
        usage_source=UsageSource.PROVIDER,
        provider_usage={"prompt_tokens": input_tokens, "completion_tokens": output_tokens},
        latency_ms=latency_ms,
        time_to_first_token_ms=round(latency_ms / 4, 3),
        request_hash=f"hmac1:5f2e:{chance.getrandbits(256):064x}",
        response_hash=f"hmac1:5f2e:{chance.getrandbits(256):064x}",
    )


def _spread(partitions: int) -> list[str]:
    """Producer ids, as many for each partition."""
    wanted = dict.fromkeys(range(partitions), LANES_PER_PARTITION)
    found = []
    number = 0
    while any(wanted.values()):
        name = f"producer-{number}"
        partition = (murmur2(name.encode()) & 0x7FFFFFFF) % partitions
        if wanted[partition]:
            wanted[partition] -= 1
            found.append(name)
        number += 1
    return found


def publish_history(fleet: Fleet, events: int, event_rate: int) -> int:
    """Publish as fast as it goes; the last calls are a probe. Returns the number of events."""
    calls = events // 2
    begin = datetime.now(UTC) - timedelta(seconds=2 * calls / event_rate + 5)
    for number in range(calls - PROBE_CALLS):
        fleet.call(begin + timedelta(seconds=2 * number / event_rate), failed=number % 100 == 0)
        if number % 1000 == 0:
            fleet.drain(50_000)
    end = begin + timedelta(seconds=2 * calls / event_rate)
    for _ in range(PROBE_CALLS):
        fleet.call(end, "last-model", failed=True)
    after = fleet.lanes * 2
    for _ in range(after):  # one on each lane at least: every partition's watermark passes the probe
        fleet.call(end + timedelta(seconds=3))
    return 2 * (calls + after)


def publish_live(fleet: Fleet, events: int, event_rate: int) -> dict[str, float]:
    """Publish in real time, a probe each tenth of a second. Returns when each probe's last call was recorded.

    The last seconds hold none: the rate goes on behind every probe.
    """
    probes: dict[str, float] = {}
    tenth = event_rate // 20
    begin = time.time()
    tenths = events // event_rate * 10
    for number in range(tenths):
        time.sleep(max(0.0, begin + number / 10 - time.time()))
        probed = number < tenths - 10 * QUIET_END_S
        for _ in range(max(0, tenth - PROBE_CALLS if probed else tenth)):
            fleet.call(datetime.now(UTC))
        for _ in range(PROBE_CALLS if probed else 0):
            now = datetime.now(UTC)
            fleet.call(now, f"probe-{number}", failed=True)
            probes[f"probe-{number}"] = now.timestamp() * 1000
    return probes


def main() -> None:
    """Publish, and print what was published."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--event-rate", type=int, default=5_000, help="events per second of event time")
    parser.add_argument("--live", action="store_true", help="in real time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--users", type=int, default=0, help="so many, each as busy; 0: some much busier than others")
    arguments = parser.parse_args()
    settings = current_settings()
    publisher = Publisher.from_settings(settings)
    fleet = Fleet(settings, publisher, arguments.seed, arguments.users)
    started = time.perf_counter()
    if arguments.live:
        probes, events = publish_live(fleet, arguments.events, arguments.event_rate), arguments.events
    else:
        probes, events = {}, publish_history(fleet, arguments.events, arguments.event_rate)
    if not publisher.close(60):
        sys.exit(f"not everything was published: {publisher.stats()}")
    seconds = time.perf_counter() - started
    print(json.dumps({"events": events, "seconds": seconds, "probes": probes}))


if __name__ == "__main__":
    main()
