"""Work that one process at a time does: what fails in it, and what goes on all the same."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from ledger_log import completed, publish, wait_for_rows

from tokentrail.errors import BrokerError
from tokentrail.settings import Settings
from tokentrail.sinks.clickhouse import alert_writer, follower_worker, ledger_worker, sole_worker
from tokentrail.sinks.clickhouse.migrations import migrate
from tokentrail.sinks.clickhouse.sole_worker import SoleWorker, Work


async def nothing(_: asyncio.Event) -> None:
    pass


async def pauses_of(failures: list[Exception], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a worker that fails so waits after each failure."""
    worker = SoleWorker(Settings(), "part", "It cannot be done", nothing)
    told: list[float] = []
    left: Iterator[Exception] = iter(failures)

    async def stand() -> None:
        for failure in left:
            raise failure

    async def pause(seconds: float) -> None:
        told.append(seconds)

    monkeypatch.setattr(worker, "_stand", stand)
    monkeypatch.setattr(worker, "_pause", pause)
    await worker.run()
    return told


async def test_each_failure_in_a_row_doubles_the_pause_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await pauses_of([BrokerError("away")] * 6, monkeypatch) == [0.5, 1, 2, 4, 5, 5]
    assert await pauses_of([ZeroDivisionError()] * 9, monkeypatch) == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


async def test_after_a_sound_time_the_pauses_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sole_worker, "SOUND_S", 0.0)
    assert await pauses_of([ZeroDivisionError()] * 3, monkeypatch) == [0.5, 0.5, 0.5]


async def test_what_was_expected_is_a_sentence_and_what_was_not_has_its_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await pauses_of([BrokerError("Kafka is away."), ZeroDivisionError("a mistake")], monkeypatch)
    expected, mistake = caplog.records
    assert (expected.getMessage(), expected.levelno, expected.exc_info) == (
        "It cannot be done for now, trying again: Kafka is away.", logging.WARNING, None,
    )  # fmt: skip
    assert mistake.levelno == logging.ERROR
    assert mistake.exc_info
    assert mistake.exc_info[0] is ZeroDivisionError


@asynccontextmanager
async def standing(settings: Settings, work: Work) -> AsyncIterator[SoleWorker]:
    worker = SoleWorker(settings, "part", "It cannot be done", work)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


@pytest.mark.broker
async def test_work_that_fails_by_a_mistake_is_begun_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sole_worker, "FIRST_PAUSE_S", 0.01)
    mistakes = [ZeroDivisionError("first"), KeyError("second")]
    begun = asyncio.Event()

    async def work(released: asyncio.Event) -> None:
        if mistakes:
            raise mistakes.pop(0)
        begun.set()
        await released.wait()

    async with standing(settings, work) as worker, asyncio.timeout(60):
        await begun.wait()
        assert worker.working
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError, KeyError]


@pytest.mark.broker
@pytest.mark.engine
async def test_calls_are_written_while_alerts_and_follower_fail_by_a_mistake(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    migrate(settings)
    failed = {"alerts": asyncio.Event(), "follower": asyncio.Event()}

    def failing(part: str) -> Work:
        async def work(*_: object) -> None:
            failed[part].set()
            raise ZeroDivisionError(part)

        return work

    monkeypatch.setattr(alert_writer, "_write", failing("alerts"))
    monkeypatch.setattr(follower_worker, "_follow", failing("follower"))
    monkeypatch.setattr(ledger_worker, "collect_rarely", lambda: None)  # it is for a process of its own
    serving = asyncio.create_task(ledger_worker._serve(settings))
    async with asyncio.timeout(60):
        for part in failed.values():
            await part.wait()
        await publish(settings, [completed(number) for number in range(3)])
        await asyncio.to_thread(wait_for_rows, settings, 3, 3)
        assert not serving.done()
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
    assert {str(record.exc_info[1]) for record in caplog.records if record.exc_info} == {"alerts", "follower"}
