"""The ledger writer on a real broker and engine: exactly once in both tables, whatever is killed."""

import asyncio
import os
import random
import threading
import time
from pathlib import Path

import msgspec
import pytest
from anyio.from_thread import start_blocking_portal
from ledger_log import completed, offsets, publish, rows, running_worker, started, wait_for_rows
from rollup_sums import assert_rollups_equal_calls

from tokentrail.compose.embedded.stack import running_stack
from tokentrail.compose.embedded.stack_plan import ENGINE, StackPlan
from tokentrail.compose.environ import worker_environ
from tokentrail.compose.topics import create_topics
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse.migrations import migrate

pytestmark = [pytest.mark.broker, pytest.mark.engine]
KILLS = int(os.environ.get("TOKENTRAIL_TEST_KILLS", "500"))


def mixed(count: int) -> list[bytes | None]:
    """Every tenth record a started, every hundredth one that cannot be read."""
    return [b"{" if n % 100 == 7 else started(n) if n % 10 == 3 else completed(n) for n in range(count)]


def calls_in(payloads: list[bytes | None]) -> int:
    return sum(1 for payload in payloads if payload and b"llm.call.completed" in payload)


def assert_exactly_once(settings: Settings, payloads: list[bytes | None]) -> None:
    archived, calls = offsets(settings, "event_log"), offsets(settings, "calls")
    assert len(archived) == len(payloads)
    assert set(archived.values()) == {1}
    assert len(calls) == calls_in(payloads)
    assert set(calls.values()) == {1}
    assert rows(settings, "SELECT count() FROM event_log WHERE payload_sha256 != SHA256(payload)") == [(0,)]
    assert_rollups_equal_calls(settings)


@pytest.mark.soak
def test_a_writer_killed_again_and_again_writes_everything_once(settings: Settings, environ: dict[str, str]) -> None:
    migrate(settings)
    payloads = mixed(20_000)
    feed = threading.Thread(target=lambda: asyncio.run(publish(settings, payloads, pause_every=25)))
    chance = random.Random(7)
    with running_worker(environ) as worker:
        feed.start()
        for _ in range(8):
            time.sleep(chance.uniform(0.6, 2.0))
            worker.kill()
            worker.start()
        feed.join()
        wait_for_rows(settings, len(payloads), calls_in(payloads))
        assert worker.stop() == 0
    assert_exactly_once(settings, payloads)


def test_a_partition_moves_between_two_writers_without_loss(settings: Settings, environ: dict[str, str]) -> None:
    migrate(settings)
    payloads = mixed(6_000)
    feed = threading.Thread(target=lambda: asyncio.run(publish(settings, payloads, pause_every=25)))
    with running_worker(environ) as first:
        feed.start()
        with running_worker(environ) as second:
            wait_for_rows(settings, 3_000, 2_000)
            assert second.stop() == 0
        feed.join()
        wait_for_rows(settings, len(payloads), calls_in(payloads))
        assert first.stop() == 0
    assert_exactly_once(settings, payloads)


def test_a_topic_created_anew_is_refused_in_one_sentence(
    settings: Settings, environ: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    migrate(settings)
    asyncio.run(publish(settings, [completed(n) for n in range(10)]))
    with running_worker(environ) as worker:
        wait_for_rows(settings, 10, 10)
        worker.stop()
    other = msgspec.structs.replace(settings, topic_prefix=f"{settings.topic_prefix}new.")
    asyncio.run(create_topics(other))
    asyncio.run(publish(other, [completed(n) for n in range(4)]))
    with running_worker(worker_environ(other)) as worker:
        assert worker.wait(30) == 1
    told = capfd.readouterr().err
    assert "is not the topic that this ledger was filled from" in told
    assert "Traceback" not in told


@pytest.mark.soak
@pytest.mark.timeout(120)
def test_an_engine_killed_again_and_again_holds_everything_once(settings: Settings, tmp_path: Path) -> None:
    plan = StackPlan(data=tmp_path / "engine", settings=settings, parts=frozenset({ENGINE}))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running_stack(plan)) as stack:
        own = msgspec.structs.replace(settings, clickhouse=stack.settings.clickhouse)
        migrate(own)
        payloads = mixed(10_000)
        feed = threading.Thread(target=lambda: asyncio.run(publish(own, payloads, pause_every=25)))
        with running_worker(worker_environ(own)) as worker:
            feed.start()
            for _ in range(3):
                time.sleep(1.2)
                portal.call(stack.kill, ENGINE)
            feed.join()
            wait_for_rows(own, len(payloads), calls_in(payloads))
            assert worker.stop() == 0
        assert_exactly_once(own, payloads)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_writer_and_engine_killed_hundreds_of_times_hold_everything_once(settings: Settings, tmp_path: Path) -> None:
    plan = StackPlan(data=tmp_path / "engine", settings=settings, parts=frozenset({ENGINE}))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running_stack(plan)) as stack:
        own = msgspec.structs.replace(settings, clickhouse=stack.settings.clickhouse)
        migrate(own)
        chance = random.Random(11)
        payloads: list[bytes | None] = []
        with running_worker(worker_environ(own)) as worker:
            while len(payloads) < 400 * KILLS:
                more = mixed(4_000)
                payloads += more
                feed = threading.Thread(target=lambda more=more: asyncio.run(publish(own, more, pause_every=10)))
                feed.start()
                for _ in range(10):
                    time.sleep(chance.uniform(0.3, 1.5))
                    if chance.random() < 0.3:
                        portal.call(stack.kill, ENGINE)
                    else:
                        worker.kill()
                        worker.start()
                feed.join()
            wait_for_rows(own, len(payloads), calls_in(payloads), timeout_s=300)
            assert worker.stop() == 0
        assert_exactly_once(own, payloads)
