"""kill -9 at random moments: what was committed is in the topic once, in order, its chain unbroken."""

import asyncio
import os
import random
import selectors
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from topic_log import read_topic

from tokentrail.compose.environ import worker_environ
from tokentrail.producers.calls import Call
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.spool.bus import Spool, SpoolOptions
from tokentrail.schemas.events import GENESIS_HASH
from tokentrail.settings import Settings

GRACE_S = 1.0
PROGRAM = """
import os, random, sys, time
from pathlib import Path
from tokentrail.kafka_security import kafka_options
from tokentrail.producers.calls import Call, Outcome
from tokentrail.producers.recorder import Recorder
from tokentrail.producers.spool.bus import Spool, SpoolOptions
from tokentrail.settings import current_settings
settings = current_settings()
spool = Spool(SpoolOptions(
    root=Path(sys.argv[1]), topic=settings.topic("llm.calls"), kafka=settings.kafka,
    connect=lambda: kafka_options(settings), grace_s=float(sys.argv[2]),
))
recorders = [Recorder(spool.append, service="killed") for _ in range(3)]
moment = random.Random(sys.argv[3])
while True:
    for _ in range(moment.randrange(1, 20)):
        moment.choice(recorders).completed(Call(feature="x" * moment.randrange(400)), Outcome(status="SUCCESS"))
    if spool.commit():
        lines = "".join(f"{recorder.producer_id} {recorder.stats().recorded}\\n" for recorder in recorders)
        os.write(1, lines.encode())
    time.sleep(moment.random() / 200)
"""


class Service:
    """A process that records calls and says what it has committed, until it is killed."""

    def __init__(self, settings: Settings, root: Path, seed: int) -> None:
        command = [sys.executable, "-c", PROGRAM, str(root), str(GRACE_S), str(seed)]
        self._process = subprocess.Popen(command, env=worker_environ(settings), stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self._said = b""

    def listen(self, for_s: float) -> None:
        """Read what it says, from its first word on for so long."""
        self._said += os.read(self._output.fileno(), 65_536)
        deadline_s = time.monotonic() + for_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            while (left_s := deadline_s - time.monotonic()) > 0:
                if selector.select(left_s):
                    self._said += os.read(self._output.fileno(), 65_536)

    def kill(self) -> dict[str, int]:
        """Kill it; returns the last committed number of each of its producers."""
        self._process.send_signal(signal.SIGKILL)
        self._said += self._output.read()
        self._output.close()
        assert self._process.wait() == -signal.SIGKILL
        whole, _, _ = self._said.rpartition(b"\n")
        return {line.split()[0].decode(): int(line.split()[1]) for line in whole.splitlines()}


def run_campaign(settings: Settings, root: Path, kills: int, seed: int) -> dict[str, int]:
    """Start services one after the other, each while the one before is alive, and kill each at a random moment."""
    moment = random.Random(seed)
    committed: dict[str, int] = {}
    services = [Service(settings, root, seed)]
    for number in range(1, kills + 1):
        if number < kills:
            services.append(Service(settings, root, seed + number))
        service = services.pop(0)
        service.listen(moment.uniform(0, 1))
        committed.update(service.kill())
    return committed


def ship_the_rest(settings: Settings, root: Path, timeout_s: float = 60) -> None:
    """Be the next process: adopt until nothing is left but what is one's own."""
    spool = Spool(
        SpoolOptions(
            root=root,
            topic=settings.topic("llm.calls"),
            kafka=settings.kafka,
            connect=lambda: {"bootstrap_servers": settings.kafka},
            grace_s=GRACE_S,
        )
    )
    Recorder(spool.append).started(Call())
    assert spool.commit()
    deadline_s = time.monotonic() + timeout_s
    while len([*root.iterdir()]) > 1 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert spool.close(30)
    assert not [*root.iterdir()]


def check_topic(settings: Settings, committed: dict[str, int]) -> None:
    last_seq: dict[str, int] = {}
    last_hash: dict[str, str] = {}
    for record in asyncio.run(read_topic(settings, "llm.calls")):
        event: dict[str, Any] = msgspec.json.decode(record.value)
        producer = event["producer_id"]
        assert event["producer_seq"] == last_seq.get(producer, 0) + 1
        assert event["prev_hash"] == last_hash.get(producer, GENESIS_HASH)
        last_seq[producer] = event["producer_seq"]
        last_hash[producer] = sha256(record.value).hexdigest()
    assert committed
    assert {producer: seq for producer, seq in committed.items() if last_seq.get(producer, 0) < seq} == {}


@pytest.mark.broker
def test_whatever_was_committed_before_a_kill_arrives_once_and_in_order(settings: Settings, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    committed = run_campaign(settings, root, kills=15, seed=1)
    ship_the_rest(settings, root)

    check_topic(settings, committed)


@pytest.mark.broker
@pytest.mark.soak
def test_five_hundred_kills(settings: Settings, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    committed = run_campaign(settings, root, kills=500, seed=2)
    ship_the_rest(settings, root, timeout_s=1000)

    check_topic(settings, committed)
