"""No record, no call: what becomes of calls that wait for their record."""

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from tokentrail.errors import RecordingRefusedError
from tokentrail.producers.captures import capture
from tokentrail.producers.guard import faults
from tokentrail.producers.scribe import Scribe
from tokentrail.producers.strictness import put_surely, require_record, require_record_async


def begin(trail: Any, *, safe: bool | None) -> Any:
    """Return an exchange whose start is safe, is not, or is being written."""
    exchange = capture(recorder=trail.recorder).begin("POST", "api.openai.com", None, b"/v1/x", [], b"{}")
    exchange.recorded = Future()
    if safe is not None:
        exchange.recorded.set_result(safe)
    return exchange


async def test_a_call_goes_on_once_its_start_is_safe(trail: Any) -> None:
    await require_record_async(begin(trail, safe=True))
    require_record(begin(trail, safe=True))

    assert trail.completed == []


async def test_a_call_that_cannot_be_recorded_is_refused_and_has_ended(trail: Any) -> None:
    with pytest.raises(RecordingRefusedError):
        await require_record_async(begin(trail, safe=False))
    with pytest.raises(RecordingRefusedError):
        require_record(begin(trail, safe=False))

    assert [call.error_type for call in trail.completed] == ["RecordingRefusedError"] * 2


async def test_a_call_that_is_cancelled_while_it_waits_has_ended(trail: Any) -> None:
    task = asyncio.create_task(require_record_async(begin(trail, safe=None)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert trail.only.status == "ABORTED"


def test_without_an_asyncio_loop_it_is_waited_for_on_the_spot(trail: Any) -> None:
    waiting = require_record_async(begin(trail, safe=True))

    with pytest.raises(StopIteration):
        waiting.send(None)


def test_who_is_cancelled_does_not_cancel_what_is_written() -> None:
    faults.clear()
    go = threading.Event()
    scribe = Scribe()
    scribe.put(lambda: go.wait(10))
    recorded = put_surely(scribe, lambda: True)

    assert not recorded.cancel()
    go.set()
    assert recorded.result(10)
    assert scribe.close()
    assert not faults
