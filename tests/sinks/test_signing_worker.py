"""The ledger's process signs what it writes, tells Kafka of it, and verification finds all three copies alike."""

import asyncio
import random
import time
from pathlib import Path

import msgspec
import pytest
from ledger_log import publish, rows, run_command, running_worker, wait_for_rows
from memory_ledger import _records

from tokentrail.compose.environ import worker_environ
from tokentrail.processors.alert_log import read_alerts
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.checkpoint_topic import read_checkpoint_topic
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.integrity.signing_keys import make_signing_key

pytestmark = [pytest.mark.broker, pytest.mark.engine]


def test_a_running_ledger_signs_and_is_sound(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    make_signing_key(path)
    own = msgspec.structs.replace(settings, checkpoint_key=path, checkpoint_interval_s=1.0, partitions=2)
    migrate(own)
    environ = worker_environ(own)
    payloads = [one.value for one in _records(random.Random(8), 200, 1)[0]]
    with running_worker(environ) as worker:
        asyncio.run(publish(own, payloads))
        wait_for_rows(own, 200, 1)
        deadline_s = time.monotonic() + 60
        while not asyncio.run(read_checkpoint_topic(own)) and time.monotonic() < deadline_s:
            time.sleep(0.2)
        assert worker.stop() == 0
    answer = run_command(environ, "checkpoint", "--json")
    assert answer.returncode == 0, answer.stderr
    answer = run_command(environ, "verify", "--processes", "1", "--json")
    verdict = msgspec.json.decode(answer.stdout)
    assert (answer.returncode, verdict["findings"], verdict["records"]) == (0, [], 200)
    assert verdict["unsigned"] == 0
    assert rows(own, "SELECT count() FROM checkpoints")[0][0] == verdict["checkpoints"] > 0
    # Readers of alerts pass checkpoints over.
    assert asyncio.run(read_checkpoint_topic(own))
    assert asyncio.run(read_alerts(own, 0)) == []
